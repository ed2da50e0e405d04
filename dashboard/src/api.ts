// The server's answers as docs/api.md describes them, and the one way to ask for them. Every answer
// is checked before use, every wait has a deadline, and every failure becomes a sentence that the
// page can show as it is.

import { BadAnswer, bool, list, nullable, number, object, oneOf, text } from "./check";
import type { Check, Checked } from "./check";
import { T } from "./strings";

export const RANGES = ["15m", "1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

const outcomes = object({
  completed: number,
  cancelled: number,
  failed: number,
  failed_by_peer: number,
  rejected: number,
  bytes: number,
});

export const KINDS = ["download", "upload", "repair", "audit"] as const;
export type Kind = (typeof KINDS)[number];

const byKind = { download: outcomes, upload: outcomes, repair: outcomes, audit: outcomes };
const nodeState = oneOf("good", "attention", "critical", "unknown");

const verdictItem = object({
  severity: oneOf("critical", "warning", "info"),
  rule: text,
  node_id: nullable(number),
  node: nullable(text),
  title: text,
  detail: text,
  since: nullable(number),
});

const verdictFields = {
  state: oneOf("good", "attention", "critical", "empty"),
  title: text,
  detail: text,
  items: list(verdictItem),
};

const node = object({
  id: number,
  name: text,
  log: text,
  state: nodeState,
  state_text: text,
  last_event_at: nullable(number),
  in_bps: nullable(number),
  out_bps: nullable(number),
  ...byKind,
  error_lines: number,
  unparsed: number,
  backlog_bytes: number,
});

const traffic = object({
  t_s: list(number),
  in_bytes: list(nullable(number)),
  out_bytes: list(nullable(number)),
  in_pieces: list(nullable(number)),
  out_pieces: list(nullable(number)),
});

const overview = object({
  at: number,
  boot: text,
  seq: number,
  demo: bool,
  range: oneOf(...RANGES),
  from_s: number,
  to_s: number,
  step_s: number,
  verdict: object(verdictFields),
  nodes: list(node),
  traffic,
  transfers: object(byKind),
  last_event_at: nullable(number),
});

const meta = object({
  version: text,
  demo: bool,
  boot: text,
  nodes: list(object({ id: number, name: text, log: text })),
});

export const hello = object({ boot: text, seq: number, version: text });
export const resync = object({ seq: number });

export const delta = object({
  seq: number,
  at: number,
  nodes: list(
    object({
      id: number,
      last_event_at: nullable(number),
      lines: number,
      in_bps: nullable(number),
      out_bps: nullable(number),
      in_bytes: number,
      out_bytes: number,
      in_pieces: number,
      out_pieces: number,
      ...byKind,
      error_lines: number,
      unparsed: number,
      backlog_bytes: number,
    }),
  ),
});

export const verdictChange = object({
  ...verdictFields,
  seq: number,
  at: number,
  node_states: list(object({ id: number, state: nodeState, state_text: text })),
});

export type Outcomes = Checked<typeof outcomes>;
export type VerdictItem = Checked<typeof verdictItem>;
export type NodeState = Checked<typeof nodeState>;
export type NodeRow = Checked<typeof node>;
export type Traffic = Checked<typeof traffic>;
export type Overview = Checked<typeof overview>;
export type Verdict = Overview["verdict"];
export type Meta = Checked<typeof meta>;
export type Hello = Checked<typeof hello>;
export type Delta = Checked<typeof delta>;
export type VerdictChange = Checked<typeof verdictChange>;

/** Why an answer could not be had, in words for the reader; `refused` when asking again is futile. */
export class Failure extends Error {
  constructor(
    readonly cause_text: string,
    readonly refused = false,
  ) {
    super(cause_text);
  }
}

const ANSWER_DEADLINE_MS = 10_000;

function reasonOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof BadAnswer) return new Failure(T.cause.badAnswer(error.message));
  if (error instanceof SyntaxError) return new Failure(T.cause.notJson);
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new Failure(T.cause.timeout(ANSWER_DEADLINE_MS / 1000));
  }
  return new Failure(T.cause.unreachable);
}

/** The server's own words about a refused request, or its status when it sent none. */
export async function refusalText(response: Response): Promise<string> {
  try {
    return object({ error: text })(await response.json(), "").error;
  } catch {
    return T.cause.status(response.status);
  }
}

async function get<A>(path: string, check: Check<A>, cancel: AbortSignal): Promise<A> {
  try {
    const signal = AbortSignal.any([cancel, AbortSignal.timeout(ANSWER_DEADLINE_MS)]);
    const response = await fetch(path, { signal, cache: "no-cache" });
    if (!response.ok) {
      throw new Failure(await refusalText(response), response.status < 500);
    }
    return check(await response.json(), "");
  } catch (error) {
    throw reasonOf(error);
  }
}

/** `nodes=1,3`, or nothing when all nodes are meant. */
export function nodesQuery(nodes: readonly number[]): string {
  return nodes.length === 0 ? "" : `nodes=${nodes.join(",")}`;
}

/** The query of an overview; two equal queries ask for the same figures. */
export function overviewQuery(range: Range, nodes: readonly number[]): string {
  return [`range=${range}`, nodesQuery(nodes)].filter(Boolean).join("&");
}

export function fetchOverview(query: string, cancel: AbortSignal): Promise<Overview> {
  return get(`api/v1/overview?${query}`, overview, cancel);
}

export function fetchMeta(cancel: AbortSignal): Promise<Meta> {
  return get("api/v1/meta", meta, cancel);
}
