// Figures that are read out of the state in more than one place.

import { KINDS } from "./api";
import type { NodeRow, Outcomes, Overview } from "./api";
import { attempts } from "./format";
import type { State } from "./state";

export interface NodeName {
  readonly id: number;
  readonly name: string;
}

/** All nodes there are, as far as is known; those chosen by the address but unknown are left out. */
export function nodeNames(state: State): readonly NodeName[] {
  return state.meta?.nodes ?? state.overview?.nodes ?? [];
}

export function nodeIds(state: State): number[] {
  return nodeNames(state).map((node) => node.id);
}

/** The sum of the known; null when none is known. */
export function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

export function sumOf(nodes: readonly NodeRow[], field: "error_lines" | "unparsed" | "backlog_bytes"): number {
  return nodes.reduce((sum, node) => sum + node[field], 0);
}

export function allOutcomes(overview: Overview): Outcomes[] {
  return KINDS.map((kind) => overview.transfers[kind]);
}

export function hasTransfers(overview: Overview): boolean {
  return allOutcomes(overview).some((outcomes) => attempts(outcomes) + outcomes.rejected > 0);
}

/** Nodes whose log is silent by the server's judgement, longest silence first. */
export function silentNodes(overview: Overview): NodeRow[] {
  const ids = new Set(
    overview.verdict.items.filter((item) => item.rule === "log_silent").map((item) => item.node_id),
  );
  return overview.nodes
    .filter((node) => ids.has(node.id))
    .sort((a, b) => (a.last_event_at ?? 0) - (b.last_event_at ?? 0));
}
