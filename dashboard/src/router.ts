// The URL is the state of the page: which view, which nodes, which range, which unit. It lives
// behind the `#`, so that the server needs one page only, and everything equal to the default is
// left out, so that a plain address stays plain. A value that makes no sense becomes the default.

import { RANGES } from "./api";
import type { Range } from "./api";

export type Unit = "mbit" | "pieces";

export interface Route {
  readonly path: string;
  readonly range: Range;
  readonly nodes: readonly number[];
  readonly unit: Unit;
}

export const HOME: Route = { path: "/", range: "1h", nodes: [], unit: "mbit" };

function parseNodes(list: string | null): number[] {
  const ids = (list ?? "").split(",").filter((part) => /^[0-9]{1,9}$/.test(part));
  return [...new Set(ids.map(Number))].sort((a, b) => a - b);
}

export function parseRoute(hash: string, paths: readonly string[]): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parameters = new URLSearchParams(query);
  const range = RANGES.find((known) => known === parameters.get("range"));
  return {
    path: paths.includes(path) ? path : HOME.path,
    range: range ?? HOME.range,
    nodes: parseNodes(parameters.get("nodes")),
    unit: parameters.get("unit") === "pieces" ? "pieces" : HOME.unit,
  };
}

export function formatRoute(route: Route): string {
  const parts: string[] = [];
  if (route.range !== HOME.range) parts.push(`range=${route.range}`);
  if (route.nodes.length > 0) parts.push(`nodes=${route.nodes.join(",")}`);
  if (route.unit !== HOME.unit) parts.push(`unit=${route.unit}`);
  return `#${route.path}${parts.length > 0 ? `?${parts.join("&")}` : ""}`;
}

/** Checks or unchecks a node; all nodes by name and no node by name both mean "all". */
export function toggleNode(chosen: readonly number[], id: number, all: readonly number[]): number[] {
  const next = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id];
  return next.length === all.length ? [] : next.sort((a, b) => a - b);
}

/** The next (+1) or previous (-1) single node; one step past either end shows all nodes again. */
export function stepNode(chosen: readonly number[], all: readonly number[], by: 1 | -1): number[] {
  const stops = [undefined, ...all];
  const here = chosen.length === 1 ? stops.indexOf(chosen[0]) : 0;
  const next = stops[(Math.max(here, 0) + by + stops.length) % stops.length];
  return next === undefined ? [] : [next];
}
