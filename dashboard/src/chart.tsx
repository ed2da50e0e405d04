// The chart of ingress and egress, drawn by uPlot on a canvas. Pixels say nothing to a keyboard or a
// screen reader, so the chart takes the focus, its cursor follows the arrow keys, and the owner is
// told where it stands. Colours are read from the page's style, also after the theme has changed.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { amount, dayOf, timeOfDay } from "./format";
import type { Series } from "./series";

interface ChartProps {
  readonly series: Series;
  readonly label: string;
  readonly help: string;
  /** The index under the cursor, null when it is nowhere; `byKey` when the keyboard moved it. */
  readonly onCursor: (index: number | null, byKey: boolean) => void;
}

const DAY_S = 86_400;

/** Times for short spans, days for long ones, and the day where a new one begins. */
function tickTexts(_: uPlot, ticks: number[]): string[] {
  const first = ticks[0] ?? 0;
  const span = (ticks.at(-1) ?? 0) - first;
  let shownDay = dayOf(first * 1000);
  return ticks.map((tick) => {
    const day = dayOf(tick * 1000);
    if (span > 2 * DAY_S) return day;
    const begins = day !== shownDay;
    shownDay = day;
    return begins ? day : timeOfDay(tick * 1000);
  });
}

/** The colour a rule of the style sheet gives; custom properties alone are not resolved. */
function colourOf(host: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.className = name;
  host.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function options(host: HTMLElement, onCursor: (index: number | null) => void): uPlot.Options {
  const axis = { stroke: colourOf(host, "ink-muted"), font: "12px system-ui, sans-serif" };
  const grid = { stroke: colourOf(host, "ink-line"), width: 1 };
  const line = (name: string, dash: number[]) => ({
    stroke: colourOf(host, name),
    width: 1.75,
    dash,
    points: { show: true, size: 4, filter: lonePoints, fill: colourOf(host, name) },
    spanGaps: false,
  });
  return {
    width: Math.max(host.clientWidth, 80),
    height: Math.max(host.clientHeight, 80),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 }, y: false },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    series: [{}, line("ink-in", []), line("ink-out", [5, 4])],
    axes: [
      { ...axis, grid, ticks: grid, values: tickTexts, space: 64, size: 32 },
      { ...axis, grid, ticks: { show: false }, values: (_, ticks) => ticks.map(axisAmount), space: 36, size: 44 },
    ],
    hooks: { setCursor: [(chart) => onCursor(chart.cursor.idx ?? null)] },
  };
}

function axisAmount(value: number): string {
  return amount(value).replace(/\.0$/, "");
}

/** A known value between two gaps has no line to be seen by: it is drawn as a point. */
function lonePoints(chart: uPlot, index: number): number[] {
  const values = chart.data[index] ?? [];
  const lone: number[] = [];
  values.forEach((value, i) => {
    if (value != null && values[i - 1] == null && values[i + 1] == null) lone.push(i);
  });
  return lone;
}

function asData(series: Series): uPlot.AlignedData {
  return [[...series.t_s], series.ingress, series.egress];
}

/** Where a key leads to; undefined when the key is none of the chart's. */
export function cursorAfter(key: string, at: number | null, length: number): number | null | undefined {
  const last = length - 1;
  const here = at ?? (key === "ArrowLeft" ? length : -1);
  switch (key) {
    case "ArrowLeft":
      return Math.max(0, here - 1);
    case "ArrowRight":
      return Math.min(last, here + 1);
    case "PageUp":
      return Math.max(0, here - 10);
    case "PageDown":
      return Math.min(last, here + 10);
    case "Home":
      return 0;
    case "End":
      return last;
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

export function Chart({ series, label, help, onCursor }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef({ series, onCursor });
  const byKey = useRef(false);
  latest.current = { series, onCursor };

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const draw = () => {
      chart.current?.destroy();
      const report = (index: number | null) => latest.current.onCursor(index, byKey.current);
      chart.current = new uPlot(options(element, report), asData(latest.current.series), element);
    };
    draw();
    const resize = new ResizeObserver(() =>
      chart.current?.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    resize.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const forced = matchMedia("(forced-colors: active)");
    const sources: EventTarget[] = [dark, forced];
    for (const source of sources) source.addEventListener("change", draw);
    addEventListener("themechange", draw);
    return () => {
      resize.disconnect();
      for (const source of sources) source.removeEventListener("change", draw);
      removeEventListener("themechange", draw);
      chart.current?.destroy();
    };
  }, []);

  useEffect(() => chart.current?.setData(asData(series)), [series]);

  const move = (event: KeyboardEvent) => {
    const plot = chart.current;
    if (!plot || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = cursorAfter(event.key, plot.cursor.idx ?? null, series.t_s.length);
    if (next === undefined) return;
    event.preventDefault();
    byKey.current = true;
    const left = next === null ? -10 : plot.valToPos(series.t_s[next] ?? 0, "x");
    plot.setCursor({ left, top: next === null ? -10 : 0 });
    byKey.current = false;
  };

  return (
    <div class="chart" role="group" aria-label={label} aria-describedby="chart-help" tabIndex={0} onKeyDown={move}>
      <div class="chart-host" ref={host} aria-hidden="true" />
      <p class="unseen" id="chart-help">
        {help}
      </p>
    </div>
  );
}
