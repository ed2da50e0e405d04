// Server-Sent Events, the part of the format that nodewatch sends: a parser that takes text as it
// arrives and gives back the messages that are complete. The browser's own EventSource is not used
// because it hides when it will try again, cannot be told to try now, and cannot see the comment
// lines that tell a quiet connection from a dead one.

export interface Message {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** More than this without a line end is not a message of ours, and is not worth the memory. */
const LONGEST_LINE = 8 << 20;

export class SseParser {
  #rest = "";
  #event = "";
  #id = "";
  #data: string[] = [];
  /** The id of the last complete message: a new connection names it to get what it missed. */
  lastId = "";

  feed(chunk: string): Message[] {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_LINE) throw new Error("a line of the stream is too long");
    const messages: Message[] = [];
    for (const line of lines) {
      const message = line === "" ? this.#finish() : this.#field(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  /** Forgets a half-received message, as a new connection starts at a message's beginning. */
  restart(): void {
    this.#rest = "";
    this.#event = "";
    this.#id = this.lastId;
    this.#data = [];
  }

  #field(line: string): undefined {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    if (name === "data") this.#data.push(value);
    if (name === "id") this.#id = value;
  }

  #finish(): Message | undefined {
    this.lastId = this.#id;
    const message = { event: this.#event || "message", id: this.lastId, data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    return empty ? undefined : message;
  }
}
