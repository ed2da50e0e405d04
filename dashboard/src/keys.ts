// Single-key shortcuts. They keep out of the way while somebody types, while a dialog is open, with
// Ctrl, Alt or Meta held, and can be switched off in the help (WCAG 2.1.4).

import { useEffect } from "preact/hooks";
import { RANGES } from "./api";
import type { Controller } from "./controller";
import { stepNode } from "./router";
import { nodeIds } from "./select";
import { openNodeSearch } from "./shell/node-picker";

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select");
}

/** Space belongs to a control that has the focus, and to a region that scrolls. */
function takesSpace(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("a, button, input, summary, [tabindex='0']") !== null;
}

function act(controller: Controller, event: KeyboardEvent, openHelp: () => void): boolean {
  const { route, paused } = controller.state;
  const range = RANGES[Number(event.key) - 1];
  if (range) controller.go({ range });
  else if (event.key === "n" || event.key === "p") {
    const by = event.key === "n" ? 1 : -1;
    controller.go({ nodes: stepNode(route.nodes, nodeIds(controller.state), by) });
  } else if (event.key === "/") openNodeSearch();
  else if (event.key === "?") openHelp();
  else if (event.key === " " && !takesSpace(event.target)) controller.pause(!paused);
  else return false;
  return true;
}

export function useKeys(controller: Controller, on: boolean, openHelp: () => void): void {
  useEffect(() => {
    if (!on) return;
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      if (act(controller, event, openHelp)) event.preventDefault();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [controller, on, openHelp]);
}
