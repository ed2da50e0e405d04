// Says whether the figures are live, and if not, why not; and pauses them. The age is counted by
// the server's clock, so that a viewer's wrong clock does not make a healthy log look silent.

import { useApp } from "../app-context";
import { duration, timeExact, utc } from "../format";
import { Icon } from "../icons/icon";
import { silentNodes } from "../select";
import { serverNow } from "../state";
import type { State } from "../state";
import { T } from "../strings";

interface Shown {
  readonly tone: "good" | "attention" | "off";
  readonly word: string;
  readonly more?: string;
  readonly title?: string;
}

function silence(state: State): Shown | undefined {
  const silent = state.overview ? silentNodes(state.overview) : [];
  const [first, ...others] = silent;
  if (!first || first.last_event_at === null) return undefined;
  const word = T.live.silent(duration(serverNow(state) - first.last_event_at), first.name);
  const more = others.length > 0 ? T.live.andMore(others.length) : "";
  return { tone: "attention", word: word + more, title: utc(first.last_event_at) };
}

export function liveText(state: State): Shown {
  const { link, overview } = state;
  if (state.paused) {
    return { tone: "off", word: T.live.paused, more: T.live.asOf(timeExact(state.now)) };
  }
  if (link.kind === "waiting") {
    const wait = link.retryAt - state.now;
    const seconds = Math.ceil(wait / 1000);
    return { tone: "attention", word: wait > 0 ? T.live.reconnecting(`${seconds} s`) : T.live.reconnectingNow };
  }
  if (link.kind === "connecting") return { tone: "off", word: T.live.connecting };
  if (!overview && state.failure) return { tone: "attention", word: T.live.noFigures };
  const silent = silence(state);
  if (silent) return silent;
  const last = overview?.last_event_at ?? null;
  if (last === null) return { tone: "good", word: T.live.live, more: overview ? T.live.noEvent : "" };
  const more = T.live.lastEvent(duration(serverNow(state) - last));
  return { tone: "good", word: T.live.live, more, title: utc(last) };
}

export function LiveState() {
  const { state, controller } = useApp();
  const shown = liveText(state);
  const label = state.paused ? T.live.resume : T.live.pause;
  return (
    <div class={`live tone-${shown.tone}`}>
      {shown.tone === "attention" ? <Icon name="attention" /> : <span class="dot" aria-hidden="true" />}
      <p title={shown.title}>
        <strong>{shown.word}</strong>
        {shown.more && <span class="live-more"> · {shown.more}</span>}
      </p>
      <button
        type="button"
        class="plain"
        aria-label={label}
        title={label}
        aria-keyshortcuts="Space"
        onClick={() => controller.pause(!state.paused)}
      >
        <Icon name={state.paused ? "play" : "pause"} />
      </button>
    </div>
  );
}
