// One row per node. The name is the link that shows this node alone (and again all nodes); a click
// anywhere on the row does the same. On a narrow screen the last columns fold into the row's
// "more", so that nothing has to be scrolled sideways.

import { useState } from "preact/hooks";
import type { NodeRow, NodeState } from "../api";
import { useApp } from "../app-context";
import { bytes, bytesExact, count, duration, mbit, percent, utc, UNKNOWN, wonShare } from "../format";
import { Icon } from "../icons/icon";
import { formatRoute } from "../router";
import { serverNow } from "../state";
import { T } from "../strings";
import { Empty, Panel } from "./panel";
import { Pill } from "./pill";

type Column = "rate" | "races" | "errors" | "unparsed" | "backlog" | "event";
type Cell = { text: string; title?: string | undefined; notable?: boolean };

const COLUMNS: readonly Column[] = ["rate", "races", "errors", "unparsed", "backlog", "event"];
const WORST_FIRST: readonly NodeState[] = ["critical", "attention", "unknown", "good"];

/** Two shares with one sign: 98.9 / 96.2 %. */
function pair(a: string, b: string): string {
  return `${a.replace(/ %$/, b.endsWith("%") ? "" : " %")} / ${b}`;
}

function cells(node: NodeRow, now: number): Record<Column, Cell> {
  const last = node.last_event_at;
  const unknownRate = node.in_bps === null || node.out_bps === null;
  const races = [wonShare(node.download), wonShare(node.upload)] as const;
  return {
    rate: {
      text: `${mbit(node.in_bps)} / ${mbit(node.out_bps)}`,
      title: unknownRate ? T.unknownReason.rate : T.now.rateTitle,
    },
    races: {
      text: pair(percent(races[0]), percent(races[1])),
      title: races.includes(null) ? T.unknownReason.races : undefined,
    },
    errors: { text: count(node.error_lines), notable: node.error_lines > 0 },
    unparsed: { text: count(node.unparsed), notable: node.unparsed > 0 },
    backlog: { text: bytes(node.backlog_bytes), title: bytesExact(node.backlog_bytes) },
    event: {
      text: last === null ? UNKNOWN : T.nodes.ago(duration(now - last)),
      title: last === null ? T.unknownReason.event : utc(last),
    },
  };
}

function Details({ node, values }: { node: NodeRow; values: Record<Column, Cell> }) {
  return (
    <tr class="details">
      <td colSpan={COLUMNS.length + 3}>
        <dl>
          {COLUMNS.map((column) => (
            <div class={`fold-${column}`}>
              <dt>{T.nodes.columns[column]}</dt>
              <dd>{values[column].text}</dd>
            </div>
          ))}
          <div>
            <dt>{T.nodes.log}</dt>
            <dd>{node.log}</dd>
          </div>
        </dl>
      </td>
    </tr>
  );
}

function Row({ node }: { node: NodeRow }) {
  const { state, controller } = useApp();
  const [open, setOpen] = useState(false);
  const values = cells(node, serverNow(state));
  const alone = state.route.nodes.length === 1 && state.route.nodes[0] === node.id;
  const nodes = alone ? [] : [node.id];
  const choose = (event: MouseEvent) => {
    const onControl = event.target instanceof Element && event.target.closest("a, button");
    // Marking text with the mouse is not choosing the row.
    if (!onControl && getSelection()?.isCollapsed !== false) controller.go({ nodes });
  };
  return (
    <>
      <tr class={alone ? "chosen" : undefined} onClick={choose}>
        <th scope="row">
          <a href={formatRoute({ ...state.route, nodes })} title={alone ? T.nodes.unselect : node.log}>
            {node.name}
          </a>
        </th>
        <td>
          <Pill tone={node.state} word={node.state_text} />
        </td>
        {COLUMNS.map((column) => (
          <td class={`n col-${column}${values[column].notable ? " notable" : ""}`} title={values[column].title}>
            {values[column].text}
          </td>
        ))}
        <td class="fold">
          <button
            type="button"
            class="plain"
            aria-expanded={open}
            aria-label={T.nodes.more(node.name)}
            onClick={() => setOpen(!open)}
          >
            <Icon name="down" />
          </button>
        </td>
      </tr>
      {open && <Details node={node} values={values} />}
    </>
  );
}

function Table({ nodes }: { nodes: readonly NodeRow[] }) {
  const sorted = [...nodes].sort((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));
  return (
    <div class="table-scroll" role="region" aria-label={T.nodes.region} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{T.nodes.columns.name}</th>
            <th scope="col">{T.nodes.columns.state}</th>
            {COLUMNS.map((column) => (
              <th scope="col" class={`n col-${column}`}>
                {T.nodes.columns[column]}
              </th>
            ))}
            <td class="fold" />
          </tr>
        </thead>
        <tbody>
          {sorted.map((node) => (
            <Row key={node.id} node={node} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function NodesPanel() {
  return (
    <Panel id="nodes" title={T.nodes.title}>
      {({ nodes }) =>
        nodes.length === 0 ? (
          <Empty title={T.nodes.emptyTitle} hint={T.nodes.emptyHint} />
        ) : (
          <Table nodes={nodes} />
        )
      }
    </Panel>
  );
}
