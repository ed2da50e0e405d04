// Adds what a live message brings to the figures of an overview. Pure: gives a new overview and
// leaves the old one alone. Counters are sums of what was added; rates, ages and backlogs are the
// newest value; traffic goes into the step of the chart that the message's time falls in.

import { KINDS } from "./api";
import type { Delta, NodeRow, Outcomes, Overview, Traffic, VerdictChange } from "./api";

type DeltaNode = Delta["nodes"][number];
type ByKind = Overview["transfers"];

function addOutcomes(a: Outcomes, b: Outcomes): Outcomes {
  return {
    completed: a.completed + b.completed,
    cancelled: a.cancelled + b.cancelled,
    failed: a.failed + b.failed,
    failed_by_peer: a.failed_by_peer + b.failed_by_peer,
    rejected: a.rejected + b.rejected,
    bytes: a.bytes + b.bytes,
  };
}

function addKinds(sum: ByKind, added: ByKind): ByKind {
  const result = { ...sum };
  for (const kind of KINDS) result[kind] = addOutcomes(sum[kind], added[kind]);
  return result;
}

function latest(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}

function addToNode(node: NodeRow, added: DeltaNode): NodeRow {
  return {
    ...node,
    ...addKinds(node, added),
    last_event_at: latest(node.last_event_at, added.last_event_at),
    in_bps: added.in_bps,
    out_bps: added.out_bps,
    error_lines: node.error_lines + added.error_lines,
    unparsed: node.unparsed + added.unparsed,
    backlog_bytes: added.backlog_bytes,
  };
}

const SERIES = ["in_bytes", "out_bytes", "in_pieces", "out_pieces"] as const;

/** Moves the chart's window on until `at_s` falls in its last step; steps passed over are gaps. */
function slideTo(traffic: Traffic, step_s: number, at_s: number): Traffic {
  const first = traffic.t_s[0];
  const last = traffic.t_s.at(-1);
  if (first === undefined || last === undefined) return traffic;
  const steps = Math.floor((at_s - last) / step_s);
  if (steps <= 0) return traffic;
  const length = traffic.t_s.length;
  const slid = { ...traffic, t_s: traffic.t_s.map((_, i) => first + (i + steps) * step_s) };
  for (const name of SERIES) {
    const kept = traffic[name].slice(steps);
    slid[name] = [...kept, ...Array<null>(length - kept.length).fill(null)];
  }
  return slid;
}

function addToTraffic(traffic: Traffic, step_s: number, delta: Delta): Traffic {
  if (!delta.nodes.some((node) => node.lines > 0)) return traffic;
  const at_s = Math.floor(delta.at / 1000);
  const slid = slideTo(traffic, step_s, at_s);
  const index = slid.t_s.findLastIndex((start) => start <= at_s);
  if (index < 0) return slid;
  const result = { ...slid };
  for (const name of SERIES) {
    const added = delta.nodes.reduce((sum, node) => sum + node[name], 0);
    result[name] = slid[name].map((value, i) => (i === index ? (value ?? 0) + added : value));
  }
  return result;
}

/** A message that the overview already includes changes nothing. */
export function applyDelta(overview: Overview, delta: Delta): Overview {
  if (delta.seq <= overview.seq) return overview;
  const added = new Map(delta.nodes.map((node) => [node.id, node]));
  let transfers = overview.transfers;
  let last_event_at = overview.last_event_at;
  const nodes = overview.nodes.map((node) => {
    const news = added.get(node.id);
    if (!news) return node;
    transfers = addKinds(transfers, news);
    last_event_at = latest(last_event_at, news.last_event_at);
    return addToNode(node, news);
  });
  const known = { ...delta, nodes: delta.nodes.filter((n) => nodes.some((node) => node.id === n.id)) };
  const traffic = addToTraffic(overview.traffic, overview.step_s, known);
  return { ...overview, seq: delta.seq, at: delta.at, nodes, transfers, traffic, last_event_at };
}

export function applyVerdict(overview: Overview, change: VerdictChange): Overview {
  if (change.seq <= overview.seq) return overview;
  const { state, title, detail, items } = change;
  const states = new Map(change.node_states.map((node) => [node.id, node]));
  const nodes = overview.nodes.map((node) => ({ ...node, ...states.get(node.id) }));
  return { ...overview, seq: change.seq, at: change.at, verdict: { state, title, detail, items }, nodes };
}
