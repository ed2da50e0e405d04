// What every part of the page may use: the state, the controller that changes it, and the help.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Controller } from "./controller";
import type { State } from "./state";

export interface App {
  readonly state: State;
  readonly controller: Controller;
  /** Opens the glossary, at one of its words when that is named. */
  readonly openHelp: (term?: string) => void;
  /** Says something to screen readers at their next pause. */
  readonly announce: (text: string) => void;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("a part of the page was drawn outside of it");
  return app;
}
