// The first thing on the page: all well, or what needs the operator, on which node, and since when.

import { useState } from "preact/hooks";
import type { Overview, VerdictItem } from "../api";
import { useApp } from "../app-context";
import { dayAndTime, duration, utc } from "../format";
import { serverNow } from "../state";
import { T } from "../strings";
import { Panel } from "./panel";
import { Pill } from "./pill";
import type { Tone } from "./pill";

const SHOWN_AT_FIRST = 4;
const TONES: Record<VerdictItem["severity"], Tone> = {
  critical: "critical",
  warning: "attention",
  info: "info",
};

function Since({ at }: { at: number }) {
  const { state } = useApp();
  return (
    <span class="since" title={utc(at)}>
      {T.verdict.since(dayAndTime(at), duration(serverNow(state) - at))}
    </span>
  );
}

function Item({ item }: { item: VerdictItem }) {
  return (
    <li>
      <Pill tone={TONES[item.severity]} word={T.verdict.severity[item.severity]} />
      <p>
        <strong>{[item.title, item.node].filter(Boolean).join(" · ")}</strong>
        {item.detail && <> — {item.detail}</>} {item.since !== null && <Since at={item.since} />}
      </p>
    </li>
  );
}

function Items({ items }: { items: readonly VerdictItem[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? items : items.slice(0, SHOWN_AT_FIRST);
  return (
    <div class="findings">
      <ul>
        {shown.map((item) => (
          <Item key={`${item.rule}/${item.node_id}`} item={item} />
        ))}
      </ul>
      {items.length > SHOWN_AT_FIRST && (
        <button type="button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? T.verdict.showFewer : T.verdict.showAll(items.length)}
        </button>
      )}
    </div>
  );
}

const SHAPES: Record<Overview["verdict"]["state"], Tone> = {
  good: "good",
  attention: "attention",
  critical: "critical",
  empty: "unknown",
};

export function VerdictPanel() {
  const { state } = useApp();
  const tone = state.overview?.verdict.state ?? "empty";
  return (
    <div class={`verdict tone-${SHAPES[tone]}`}>
      <Panel id="verdict" title={(o) => o.verdict.title} plainTitle={T.verdict.title}>
        {({ verdict }) => (
          <>
            <p class="detail">
              {verdict.detail}
              {verdict.state === "empty" && <> {T.verdict.emptyHint}</>}
            </p>
            {verdict.items.length > 0 && <Items items={verdict.items} />}
          </>
        )}
      </Panel>
    </div>
  );
}
