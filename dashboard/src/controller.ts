// Joins the pure state to the world: the address bar, the server, the clock, and whether anybody is
// looking. A hidden tab keeps its figures up to date but draws nothing; its title and icon still
// tell the state of the nodes. What must stay true: one overview request at a time, and its answer
// is dropped when the question has changed meanwhile.

import * as api from "./api";
import type { Failure, Hello } from "./api";
import { BadAnswer } from "./check";
import type { Check } from "./check";
import { formatRoute, parseRoute } from "./router";
import type { Route } from "./router";
import type { Message } from "./sse";
import { initialState, queryOf, reduce } from "./state";
import type { Action, State } from "./state";
import { openStream } from "./stream";
import type { Stream } from "./stream";

const REFRESH_EVERY_MS = 30_000;
const TICK_MS = 1000;

export class Controller {
  state: State;
  readonly #paths: readonly string[];
  readonly #watchers = new Set<(state: State) => void>();
  #stream: Stream | undefined;
  #streamUrl = "";
  #hello: Hello | undefined;
  #resumed = false;
  #gapClosedFor: Hello | undefined;
  #request: AbortController | undefined;
  #askedAt = 0;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.state = initialState(Date.now());
  }

  start(): void {
    addEventListener("hashchange", () => this.#readAddress());
    document.addEventListener("visibilitychange", () => this.#tick());
    setInterval(() => this.#tick(), TICK_MS);
    this.#dispatch({ type: "routed", route: parseRoute(location.hash, this.#paths) });
    this.#connect();
    void this.refresh();
    void this.#describe();
  }

  /** Calls `watcher` after every change of the state; returns the way to stop that. */
  watch(watcher: (state: State) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Goes to another view, range or choice of nodes; the back button comes back from there. */
  go(change: Partial<Route>): void {
    const hash = formatRoute({ ...this.state.route, ...change });
    if (hash === formatRoute(this.state.route)) return;
    location.hash = hash;
    // The event of the change comes later; a second key may come sooner.
    this.#readAddress();
  }

  pause(paused: boolean): void {
    this.#dispatch({ type: "paused", paused, now: Date.now() });
    if (!paused) void this.refresh();
  }

  retryNow(): void {
    this.#stream?.retryNow();
    void this.refresh();
  }

  async refresh(): Promise<void> {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    const query = queryOf(this.state);
    this.#askedAt = Date.now();
    this.#dispatch({ type: "asked" });
    try {
      const overview = await api.fetchOverview(query, request.signal);
      if (request !== this.#request) return;
      this.#dispatch({ type: "answered", query, overview, now: Date.now() });
      this.#closeGap();
    } catch (error) {
      if (request !== this.#request) return;
      this.#dispatch({ type: "failed", query, failure: error as Failure });
    }
  }

  #dispatch(action: Action): void {
    const before = this.state;
    this.state = reduce(before, action);
    if (this.state !== before) for (const watcher of this.#watchers) watcher(this.state);
  }

  #readAddress(): void {
    const before = queryOf(this.state);
    this.#dispatch({ type: "routed", route: parseRoute(location.hash, this.#paths) });
    if (queryOf(this.state) === before) return;
    this.#connect();
    void this.refresh();
  }

  #tick(): void {
    if (document.hidden) return;
    const now = Date.now();
    this.#dispatch({ type: "ticked", now });
    // While the stream is down the answers would fail too; coming back fetches at once.
    const connected = this.state.link.kind === "live";
    if (connected && !this.state.paused && now - this.#askedAt >= REFRESH_EVERY_MS) void this.refresh();
  }

  #connect(): void {
    const query = api.nodesQuery(this.state.route.nodes);
    const url = query === "" ? "api/v1/stream" : `api/v1/stream?${query}`;
    if (url === this.#streamUrl) return;
    this.#streamUrl = url;
    this.#stream?.close();
    this.#hello = undefined;
    this.#stream = openStream(url, {
      opened: (resumed) => {
        this.#resumed = resumed;
        this.#dispatch({ type: "linked", link: { kind: "live" } });
      },
      heard: () => this.#dispatch({ type: "heard", now: Date.now() }),
      message: (message) => this.#receive(message),
      lost: (retryAt, reason) =>
        this.#dispatch({ type: "linked", link: { kind: "waiting", retryAt, reason } }),
    });
  }

  #receive(message: Message): void {
    const read = <T>(check: Check<T>): T => {
      try {
        return check(JSON.parse(message.data), message.event);
      } catch (error) {
        const reason = error instanceof BadAnswer ? error.message : `${message.event} is not JSON`;
        throw new api.Failure(reason);
      }
    };
    const boot = this.#hello?.boot ?? "";
    const now = Date.now();
    if (message.event === "hello") {
      this.#greet(read(api.hello));
    } else if (message.event === "delta") {
      this.#dispatch({ type: "news", news: { kind: "delta", boot, body: read(api.delta) }, now });
    } else if (message.event === "verdict") {
      this.#dispatch({ type: "news", news: { kind: "verdict", boot, body: read(api.verdictChange) }, now });
    } else if (message.event === "resync") {
      if (!this.state.paused) void this.refresh();
    }
  }

  #greet(hello: Hello): void {
    const restarted = this.#hello !== undefined && this.#hello.boot !== hello.boot;
    this.#hello = hello;
    if (restarted || this.state.meta === null) void this.#describe();
    // Resuming brings everything up to date anyway.
    if (this.state.paused) return;
    if (restarted || this.state.failure !== null) void this.refresh();
    else if (!this.state.loading) this.#closeGap();
  }

  /**
   * An overview older than the stream's beginning lacks the messages in between: fetch once more. A
   * resumed stream has no beginning of its own: the server sends what was missed, or `resync`.
   */
  #closeGap(): void {
    const { overview } = this.state;
    const hello = this.#hello;
    if (this.#resumed || !overview || !hello || this.#gapClosedFor === hello) return;
    if (overview.boot === hello.boot && overview.seq >= hello.seq) return;
    this.#gapClosedFor = hello;
    void this.refresh();
  }

  async #describe(): Promise<void> {
    try {
      const meta = await api.fetchMeta(AbortSignal.timeout(10_000));
      this.#dispatch({ type: "described", meta });
    } catch {
      // The node picker then knows the nodes of the overview only; the next hello asks again.
    }
  }
}
