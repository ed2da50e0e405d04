// Turns the traffic of an overview into what the chart and its table show: rates per second, with
// gaps where nothing is known. The step that is still running is divided by the part of it that has
// passed, and left out while that part is too short to say anything.

import type { Overview } from "./api";
import type { Unit } from "./router";

export type Rates = (number | null)[];

export interface Series {
  readonly t_s: readonly number[];
  readonly ingress: Rates;
  readonly egress: Rates;
}

const SHORTEST_PART = 0.2;

function secondsOf(start_s: number, step_s: number, at_s: number): number | null {
  const passed = Math.min(at_s - start_s, step_s);
  return passed >= step_s * SHORTEST_PART ? passed : null;
}

export function seriesOf(overview: Overview, unit: Unit): Series {
  const { traffic, step_s, at } = overview;
  const [ingress, egress, factor] =
    unit === "mbit"
      ? [traffic.in_bytes, traffic.out_bytes, 8 / 1e6]
      : [traffic.in_pieces, traffic.out_pieces, 1];
  const rate = (values: readonly (number | null)[]): Rates =>
    traffic.t_s.map((start, index) => {
      const value = values[index] ?? null;
      const seconds = secondsOf(start, step_s, at / 1000);
      return value === null || seconds === null ? null : (value * factor) / seconds;
    });
  return { t_s: traffic.t_s, ingress: rate(ingress), egress: rate(egress) };
}

/** The newest step of which anything is known; -1 when nothing is. */
export function latestKnown(series: Series): number {
  return series.t_s.findLastIndex((_, i) => series.ingress[i] !== null || series.egress[i] !== null);
}
