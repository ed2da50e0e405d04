// All that the page knows, and the only function that changes it. Pure, so that every way the page
// can get into is a test without a browser. What must stay true: figures are only ever shown for
// the nodes and the range they were asked for, and a message is never added twice.

import type { Delta, Meta, Overview, VerdictChange } from "./api";
import { Failure, overviewQuery } from "./api";
import { applyDelta, applyVerdict } from "./live";
import { HOME } from "./router";
import type { Route } from "./router";

export type Link =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "waiting"; readonly retryAt: number; readonly reason: string };

export type News =
  | { readonly kind: "delta"; readonly boot: string; readonly body: Delta }
  | { readonly kind: "verdict"; readonly boot: string; readonly body: VerdictChange };

export interface State {
  readonly route: Route;
  readonly meta: Meta | null;
  readonly overview: Overview | null;
  /** The query that `overview` answers. */
  readonly answered: string;
  readonly loading: boolean;
  readonly failure: Failure | null;
  readonly link: Link;
  /** Messages that an overview under way may not include yet. */
  readonly recent: readonly News[];
  /** Browser time; stands still while paused, so that ages do too. */
  readonly now: number;
  /** Browser time at which the figures were last brought up to date. */
  readonly freshAt: number;
  /** Server clock minus browser clock: ages must not depend on the viewer's clock. */
  readonly clockOffset: number;
  readonly paused: boolean;
}

export type Action =
  | { type: "routed"; route: Route }
  | { type: "asked" }
  | { type: "answered"; query: string; overview: Overview; now: number }
  | { type: "failed"; query: string; failure: Failure }
  | { type: "described"; meta: Meta }
  | { type: "linked"; link: Link }
  | { type: "heard"; now: number }
  | { type: "news"; news: News; now: number }
  | { type: "ticked"; now: number }
  | { type: "paused"; paused: boolean; now: number };

const RECENT_KEPT = 64;

export function initialState(now: number): State {
  return {
    route: HOME,
    meta: null,
    overview: null,
    answered: "",
    loading: false,
    failure: null,
    link: { kind: "connecting" },
    recent: [],
    now,
    freshAt: now,
    clockOffset: 0,
    paused: false,
  };
}

export function queryOf(state: State): string {
  return overviewQuery(state.route.range, state.route.nodes);
}

/** The server's clock, as far as the page knows it. */
export function serverNow(state: State): number {
  return state.now + state.clockOffset;
}

function applyNews(overview: Overview, news: News): Overview {
  // Another boot is another count of messages: these figures cannot be compared.
  if (news.boot !== overview.boot) return overview;
  return news.kind === "delta" ? applyDelta(overview, news.body) : applyVerdict(overview, news.body);
}

function answer(state: State, query: string, overview: Overview, now: number): State {
  if (query !== queryOf(state)) return state;
  return {
    ...state,
    overview: state.recent.reduce(applyNews, overview),
    answered: query,
    recent: [],
    loading: false,
    failure: null,
    now,
    freshAt: now,
    clockOffset: overview.at - now,
  };
}

/** A failed question keeps the last figures, unless they are about other nodes or another range. */
function fail(state: State, query: string, failure: Failure): State {
  if (query !== queryOf(state)) return state;
  const overview = state.answered === query ? state.overview : null;
  return { ...state, overview, loading: false, failure };
}

function addNews(state: State, news: News, now: number): State {
  if (state.paused) return state;
  const recent = state.loading ? [...state.recent, news].slice(-RECENT_KEPT) : [];
  if (state.overview === null || state.answered !== queryOf(state)) return { ...state, recent };
  return {
    ...state,
    recent,
    overview: applyNews(state.overview, news),
    now,
    freshAt: now,
    clockOffset: news.body.at - now,
  };
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "routed": {
      const next = { ...state, route: action.route };
      return queryOf(next) === queryOf(state) ? next : { ...next, recent: [], failure: null };
    }
    case "asked":
      return { ...state, loading: true };
    case "answered":
      return answer(state, action.query, action.overview, action.now);
    case "failed":
      return fail(state, action.query, action.failure);
    case "described":
      return { ...state, meta: action.meta };
    case "linked":
      return { ...state, link: action.link };
    case "heard":
      return state.paused ? state : { ...state, freshAt: action.now };
    case "news":
      return addNews(state, action.news, action.now);
    case "ticked":
      return state.paused ? state : { ...state, now: action.now };
    case "paused":
      return { ...state, paused: action.paused, now: action.now };
  }
}

const STALE_AFTER_MS = 3000;

/** How old the shown figures are when nothing brings them up to date any more; null while fresh. */
export function staleFor(state: State): number | null {
  if (state.overview === null || state.paused) return null;
  const age = state.now - state.freshAt;
  return state.link.kind !== "live" && age >= STALE_AFTER_MS ? age : null;
}
