// A slim strip while the page is cut off, or while a refresh fails. It never covers anything: the
// last figures stay readable and everything on the page still works. Screen readers hear of a lost
// connection once, from announce.ts, not once per second of the countdown.

import { useApp } from "../app-context";
import { Icon } from "../icons/icon";
import type { State } from "../state";
import { T } from "../strings";

interface Trouble {
  readonly what: string;
  readonly cause: string;
  readonly next?: string;
}

function troubleOf({ link, overview, failure, now }: State): Trouble | null {
  if (link.kind === "waiting") {
    const seconds = Math.ceil((link.retryAt - now) / 1000);
    const next = seconds > 0 ? T.banner.nextTry(`${seconds} s`) : T.live.reconnectingNow;
    return { what: T.banner.lost, cause: link.reason, next };
  }
  // Without any figures the panels themselves say what failed.
  if (overview && failure) return { what: T.banner.notRefreshed, cause: failure.cause_text };
  return null;
}

export function Banner() {
  const { state, controller } = useApp();
  const trouble = troubleOf(state);
  if (!trouble) return null;
  return (
    <section class="banner" aria-label={T.banner.label}>
      <Icon name="attention" />
      <p>
        <strong>{trouble.what}</strong> {state.overview && T.banner.kept} {T.panel.cause(trouble.cause)}
        {trouble.next && ` · ${trouble.next}`}
      </p>
      <button type="button" onClick={() => controller.retryNow()}>
        {T.banner.retry}
      </button>
    </section>
  );
}
