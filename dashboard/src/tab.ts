// The one "is anything wrong" signal for somebody who is not looking: the title and the icon of the
// browser tab. Kept up to date while the tab is hidden, which is when they are read.

import attention from "./icons/favicon-attention.svg";
import critical from "./icons/favicon-critical.svg";
import good from "./icons/favicon-good.svg";
import unknown from "./icons/favicon-unknown.svg";
import type { Controller } from "./controller";
import type { State } from "./state";
import { T } from "./strings";

export type TabState = "good" | "attention" | "critical" | "unknown";

const ICONS: Record<TabState, string> = { attention, critical, good, unknown };

export function tabOf(state: State): { icon: TabState; text: string } {
  if (state.link.kind === "waiting") return { icon: "unknown", text: T.tab.offline };
  const verdict = state.overview?.verdict;
  if (!verdict) return { icon: "unknown", text: "" };
  if (verdict.state === "empty") return { icon: "unknown", text: T.tab.empty };
  const urgent = verdict.items.filter((item) => item.severity !== "info").length;
  if (verdict.state === "good" || urgent === 0) return { icon: "good", text: T.tab.good };
  const text = urgent === 1 ? T.tab.attentionOne : T.tab.attention(urgent);
  return { icon: verdict.state, text };
}

export function showInTab(controller: Controller): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  controller.watch((state) => {
    const { icon, text } = tabOf(state);
    const title = text === "" ? T.brand : `${text} · ${T.brand}`;
    if (document.title !== title) document.title = title;
    if (link && link.getAttribute("href") !== ICONS[icon]) link.href = ICONS[icon];
  });
}
