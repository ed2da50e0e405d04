// Keeps one live connection to the server: connects, reads, and after a failure waits a little
// longer each time before it tries again, telling its owner when that will be. A connection that
// says nothing for longer than the server's heartbeat allows is taken for dead. On every new attempt
// the id of the last message is sent, so that the server can give what was missed.

import { Failure, refusalText } from "./api";
import { SseParser } from "./sse";
import type { Message } from "./sse";
import { T } from "./strings";

export interface StreamOwner {
  /** Connected; `resumed` when this connection continues an earlier one. */
  opened(resumed: boolean): void;
  message(message: Message): void;
  /** Not connected; the next attempt is at `retryAt` (browser clock, ms). */
  lost(retryAt: number, reason: string): void;
  /** Something was heard, if only a heartbeat. */
  heard(): void;
}

export interface Stream {
  retryNow(): void;
  close(): void;
}

const RETRY_AFTER_MS = [1000, 2000, 4000, 8000, 15_000];
const CONNECT_DEADLINE_MS = 10_000;
/** Three missed heartbeats of 15 s. */
const SILENCE_DEADLINE_MS = 45_000;

class Connection implements Stream {
  #parser = new SseParser();
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | undefined;
  #closed = false;

  constructor(
    readonly url: string,
    readonly owner: StreamOwner,
  ) {
    void this.#run();
  }

  retryNow(): void {
    if (this.#retryTimer === undefined) return;
    clearTimeout(this.#retryTimer);
    void this.#run();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#abort?.abort();
  }

  async #run(): Promise<void> {
    this.#retryTimer = undefined;
    this.#abort = new AbortController();
    let reason: string = T.cause.streamEnded;
    try {
      await this.#read(this.#abort);
    } catch (error) {
      reason = error instanceof Failure ? error.cause_text : T.cause.unreachable;
    }
    clearTimeout(this.#silenceTimer);
    // A message may have been refused half-way: the connection must not live on unread.
    this.#abort.abort();
    if (!this.#closed) this.#waitAndRetry(reason);
  }

  async #read(abort: AbortController): Promise<void> {
    this.#expectSound(abort, CONNECT_DEADLINE_MS);
    const resumed = this.#parser.lastId !== "";
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (resumed) headers["Last-Event-ID"] = this.#parser.lastId;
    const response = await fetch(this.url, { headers, cache: "no-store", signal: abort.signal });
    if (!response.ok || response.body === null) throw new Failure(await refusalText(response));
    this.#parser.restart();
    this.owner.opened(resumed);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      this.#expectSound(abort, SILENCE_DEADLINE_MS);
      const { done, value } = await reader.read();
      if (done || this.#closed) return;
      this.#failures = 0;
      this.owner.heard();
      for (const message of this.#parser.feed(value)) this.owner.message(message);
    }
  }

  #expectSound(abort: AbortController, within_ms: number): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => abort.abort(), within_ms);
  }

  #waitAndRetry(reason: string): void {
    const step = Math.min(this.#failures++, RETRY_AFTER_MS.length - 1);
    const delay = RETRY_AFTER_MS[step] ?? 0;
    this.#retryTimer = setTimeout(() => void this.#run(), delay);
    this.owner.lost(Date.now() + delay, reason);
  }
}

export function openStream(url: string, owner: StreamOwner): Stream {
  return new Connection(url, owner);
}
