// A slim strip while the connection is lost. It never covers anything: the last figures stay
// readable and everything on the page still works. Screen readers hear of it once, from announce.ts,
// not once per second of the countdown.

import { useApp } from "../app-context";
import { Icon } from "../icons/icon";
import { T } from "../strings";

export function Banner() {
  const { state, controller } = useApp();
  const { link } = state;
  if (link.kind !== "waiting") return null;
  const seconds = Math.ceil((link.retryAt - state.now) / 1000);
  return (
    <section class="banner" aria-label={T.banner.label}>
      <Icon name="attention" />
      <p>
        <strong>{T.banner.lost}</strong> {state.overview && T.banner.kept} {T.panel.cause(link.reason)}{" "}
        <span class="countdown">
          {seconds > 0 ? T.banner.nextTry(`${seconds} s`) : `${T.live.reconnectingNow}.`}
        </span>
      </p>
      <button type="button" onClick={() => controller.retryNow()}>
        {T.banner.retry}
      </button>
    </section>
  );
}
