// The table of views: the router, the rail and the tab bar are all driven by it, so that a view is
// added by one line here and is never linked to before it exists.

import type { ComponentType } from "preact";
import type { IconName } from "./icons/icon";
import { Overview } from "./overview";
import { T } from "./strings";

export interface View {
  readonly path: string;
  readonly title: string;
  readonly icon: IconName;
  readonly body: ComponentType;
}

export const VIEWS: readonly View[] = [
  { path: "/", title: T.views.overview, icon: "overview", body: Overview },
];

export function viewAt(path: string): View {
  const view = VIEWS.find((known) => known.path === path) ?? VIEWS[0];
  if (!view) throw new Error("there is no view");
  return view;
}
