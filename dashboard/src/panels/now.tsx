// The live counters: what moves this minute, and what the time span adds up to so far.

import type { Overview } from "../api";
import { useApp } from "../app-context";
import { bytes, bytesExact, count, duration, mbit, utc } from "../format";
import { allOutcomes, sumKnown, sumOf } from "../select";
import { serverNow } from "../state";
import { T } from "../strings";
import { Panel, Empty } from "./panel";

function Figure({ name, value, unit, title, tone }: {
  name: string;
  value: string;
  unit?: string;
  title?: string;
  tone?: string | false;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd title={title}>
        <strong class={tone || undefined}>{value}</strong> {unit}
      </dd>
    </div>
  );
}

function Rate({ name, bps, tone }: { name: string; bps: number | null; tone: string }) {
  const title = bps === null ? T.unknownReason.rate : T.now.rateTitle;
  return <Figure name={name} value={mbit(bps)} unit={T.now.unit} title={title} tone={tone} />;
}

function Counters({ overview }: { overview: Overview }) {
  const { state } = useApp();
  const { nodes, transfers, last_event_at: last } = overview;
  const pieces = allOutcomes(overview).reduce((sum, outcomes) => sum + outcomes.completed, 0);
  const errors = sumOf(nodes, "error_lines");
  const unparsed = sumOf(nodes, "unparsed");
  const backlog = sumOf(nodes, "backlog_bytes");
  const age = last === null ? "–" : T.nodes.ago(duration(serverNow(state) - last));
  const { upload, download } = transfers;
  return (
    <>
      <dl class="figures">
        <Rate name={T.now.ingress} bps={sumKnown(nodes.map((node) => node.in_bps))} tone="ink-in" />
        <Rate name={T.now.egress} bps={sumKnown(nodes.map((node) => node.out_bps))} tone="ink-out" />
        <Figure name={T.now.lastEvent} value={age} title={last === null ? T.unknownReason.event : utc(last)} />
        <Figure name={T.now.backlog} value={bytes(backlog)} title={bytesExact(backlog)} />
      </dl>
      <h3>{T.inRange[overview.range]}</h3>
      <dl class="figures sums">
        <Figure name={T.now.stored} value={bytes(upload.bytes)} title={bytesExact(upload.bytes)} />
        <Figure name={T.now.served} value={bytes(download.bytes)} title={bytesExact(download.bytes)} />
        <Figure name={T.now.pieces} value={count(pieces)} />
        <Figure name={T.now.errors} value={count(errors)} tone={errors > 0 && "notable"} />
        <Figure name={T.now.unparsed} value={count(unparsed)} tone={unparsed > 0 && "notable"} />
      </dl>
    </>
  );
}

export function NowPanel() {
  return (
    <Panel id="now" title={T.now.title}>
      {(overview) =>
        overview.nodes.length === 0 ? (
          <Empty title={T.now.emptyTitle} hint={T.now.emptyHint} />
        ) : (
          <Counters overview={overview} />
        )
      }
    </Panel>
  );
}
