// What screen readers are told without asking: the connection lost or back, and new or resolved
// findings. Never plain numbers, which change every second. Texts in quick succession are said as
// the last of them, once the page has been quiet for a moment.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { State } from "./state";
import { T } from "./strings";

const QUIET_MS = 300;

function findings(state: State): Map<string, string> | null {
  if (!state.overview) return null;
  const items = state.overview.verdict.items;
  return new Map(
    items.map((item) => [`${item.rule}/${item.node_id}`, [item.title, item.node].filter(Boolean).join(", ")]),
  );
}

/** The differences between two sets of findings, in words. */
export function changes(before: Map<string, string>, after: Map<string, string>): string[] {
  const added = [...after].filter(([key]) => !before.has(key));
  const gone = [...before].filter(([key]) => !after.has(key));
  return [
    ...added.map(([, title]) => T.verdict.announceNew(title)),
    ...gone.map(([, title]) => T.verdict.announceGone(title)),
  ];
}

export function useAnnouncements(state: State): { spoken: string; announce: (text: string) => void } {
  const [spoken, setSpoken] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const announce = useCallback((text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSpoken(text), QUIET_MS);
  }, []);

  const wasLost = useRef(false);
  const lost = state.link.kind === "waiting";
  useEffect(() => {
    if (lost && !wasLost.current) announce(`${T.banner.lost} ${T.banner.kept}`);
    if (state.link.kind === "live" && wasLost.current) announce(T.banner.back);
    // Trying again is neither: the connection stays lost until it is live.
    if (state.link.kind !== "connecting") wasLost.current = lost;
  }, [lost, state.link.kind, announce]);

  const known = useRef<{ answered: string; findings: Map<string, string> } | undefined>(undefined);
  const verdict = state.overview?.verdict;
  useEffect(() => {
    const now = findings(state);
    if (!now) return;
    // Another choice of nodes has other findings; that is not news.
    if (known.current?.answered === state.answered) {
      const said = changes(known.current.findings, now);
      if (said.length > 0) announce(said.slice(0, 3).join(". "));
    }
    known.current = { answered: state.answered, findings: now };
  }, [verdict, state.answered]);

  return { spoken, announce };
}
