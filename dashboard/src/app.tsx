// The page's frame: skip link, top bar, rail, banner, the view, help, and the one live region.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { AppContext } from "./app-context";
import type { Controller } from "./controller";
import { useAnnouncements } from "./announce";
import { useKeys } from "./keys";
import { readKeysOn, saveKeysOn } from "./prefs";
import { Banner } from "./shell/banner";
import { Help } from "./shell/help";
import { Rail } from "./shell/rail";
import { TopBar } from "./shell/topbar";
import { T } from "./strings";
import { viewAt } from "./views";

/** The state as of the last drawing; a hidden tab is not drawn, and catches up when it is shown. */
function useDrawnState(controller: Controller) {
  const [state, setState] = useState(controller.state);
  useEffect(() => {
    let frame = 0;
    const draw = () => {
      frame = 0;
      setState(controller.state);
    };
    const schedule = () => {
      if (frame === 0 && !document.hidden) frame = requestAnimationFrame(draw);
    };
    const stop = controller.watch(schedule);
    document.addEventListener("visibilitychange", schedule);
    schedule();
    return () => {
      stop();
      document.removeEventListener("visibilitychange", schedule);
      cancelAnimationFrame(frame);
    };
  }, [controller]);
  return state;
}

export function Page({ controller }: { controller: Controller }) {
  const state = useDrawnState(controller);
  const [help, setHelp] = useState<{ term?: string | undefined } | null>(null);
  const [keysOn, setKeysOn] = useState(readKeysOn);
  const { spoken, announce } = useAnnouncements(state);
  const openHelp = useCallback((term?: string) => setHelp({ term }), []);
  const main = useRef<HTMLElement>(null);
  useKeys(controller, keysOn, openHelp);

  const view = viewAt(state.route.path);
  const firstPath = useRef(view.path);
  useEffect(() => {
    // Going to another view moves the focus to its heading; the first view leaves it alone.
    if (firstPath.current !== view.path) main.current?.querySelector("h1")?.focus();
    firstPath.current = view.path;
  }, [view.path]);

  const skip = (event: Event) => {
    // The address after `#` is the page's state: an ordinary jump would overwrite it.
    event.preventDefault();
    main.current?.focus();
  };
  const changeKeys = (on: boolean) => {
    saveKeysOn(on);
    setKeysOn(on);
  };

  return (
    <AppContext.Provider value={{ state, controller, openHelp, announce }}>
      <a class="skip" href="#main" onClick={skip}>
        {T.skip}
      </a>
      <TopBar />
      <Banner />
      <Rail />
      <main id="main" ref={main} tabIndex={-1}>
        <h1 class="unseen" tabIndex={-1}>
          {view.title}
        </h1>
        <view.body />
      </main>
      <Help request={help} onClose={() => setHelp(null)} keysOn={keysOn} onKeysChange={changeKeys} />
      <p class="unseen" role="status" aria-live="polite">
        {spoken}
      </p>
    </AppContext.Provider>
  );
}
