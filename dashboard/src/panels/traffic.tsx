// Ingress and egress over the time span, as a chart or as a table of the same figures.

import { useMemo, useState } from "preact/hooks";
import type { Overview } from "../api";
import { useApp } from "../app-context";
import { Chart } from "../chart";
import { amount, dayAndTime, timeOfDay, utc, zoneName } from "../format";
import type { Unit } from "../router";
import { latestKnown, seriesOf } from "../series";
import type { Series } from "../series";
import { T } from "../strings";
import { Empty, Panel } from "./panel";

const UNITS: readonly Unit[] = ["mbit", "pieces"];

function UnitSwitch() {
  const { state, controller } = useApp();
  return (
    <div class="segments units" role="group" aria-label={T.traffic.unitLabel}>
      {UNITS.map((unit) => (
        <button type="button" aria-pressed={state.route.unit === unit} onClick={() => controller.go({ unit })}>
          {T.traffic.units[unit]}
        </button>
      ))}
    </div>
  );
}

function Legend({ series, index, unit, atCursor }: {
  series: Series;
  index: number;
  unit: Unit;
  atCursor: boolean;
}) {
  const start = series.t_s[index];
  return (
    <p class="series-legend">
      <span class="ink-in">
        <span class="dash" aria-hidden="true" /> {T.traffic.ingress} {amount(series.ingress[index] ?? null)}{" "}
        {T.traffic.units[unit]}
      </span>
      <span class="ink-out">
        <span class="dash dashed" aria-hidden="true" /> {T.traffic.egress} {amount(series.egress[index] ?? null)}{" "}
        {T.traffic.units[unit]}
      </span>
      {start !== undefined && (
        <span class="when" title={utc(start * 1000)}>
          {atCursor ? dayAndTime(start * 1000) : `${T.traffic.latest}, ${timeOfDay(start * 1000)}`}
        </span>
      )}
    </p>
  );
}

function SeriesTable({ series, unit }: { series: Series; unit: Unit }) {
  const name = (series: string) => `${series}, ${T.traffic.units[unit]}`;
  return (
    <div class="table-scroll" role="region" aria-label={T.traffic.tableRegion} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{T.traffic.time}</th>
            <th scope="col" class="n">
              {name(T.traffic.ingress)}
            </th>
            <th scope="col" class="n">
              {name(T.traffic.egress)}
            </th>
          </tr>
        </thead>
        <tbody>
          {series.t_s.map((start, i) => (
            <tr key={start}>
              <th scope="row" title={utc(start * 1000)}>
                {dayAndTime(start * 1000)}
              </th>
              <td class="n">{amount(series.ingress[i] ?? null)}</td>
              <td class="n">{amount(series.egress[i] ?? null)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function spoken(series: Series, index: number, unit: Unit): string {
  const time = dayAndTime((series.t_s[index] ?? 0) * 1000);
  const [ingress, egress] = [series.ingress[index] ?? null, series.egress[index] ?? null];
  if (ingress === null && egress === null) return `${time}: ${T.traffic.gap}`;
  const of = (name: string, value: number | null) => `${name} ${amount(value)} ${T.traffic.units[unit]}`;
  return `${time}: ${of(T.traffic.ingress, ingress)}, ${of(T.traffic.egress, egress)}`;
}

function TrafficBody({ overview }: { overview: Overview }) {
  const { state, announce } = useApp();
  const { unit } = state.route;
  const [asTable, setAsTable] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const series = useMemo(() => seriesOf(overview, unit), [overview.traffic, overview.range, unit]);
  const newest = latestKnown(series);
  if (newest < 0) {
    return <Empty title={T.traffic.emptyTitle(T.inRange[overview.range])} hint={T.traffic.emptyHint} />;
  }
  const follow = (index: number | null, byKey: boolean) => {
    setCursor(index);
    if (byKey && index !== null) announce(spoken(series, index, unit));
  };
  const label = T.traffic.chart(T.inRange[overview.range], T.traffic.units[unit]);
  return (
    <>
      <Legend series={series} index={cursor ?? newest} unit={unit} atCursor={cursor !== null} />
      {asTable ? (
        <SeriesTable series={series} unit={unit} />
      ) : (
        <Chart series={series} label={label} help={T.traffic.chartHelp} onCursor={follow} />
      )}
      <p class="foot">
        <button type="button" class="link" onClick={() => setAsTable(!asTable)}>
          {asTable ? T.traffic.showChart : T.traffic.showTable}
        </button>
        <span class="note">{T.traffic.note(zoneName())}</span>
      </p>
    </>
  );
}

export function TrafficPanel() {
  return (
    <Panel
      id="traffic"
      title={(overview) => T.traffic.title(T.inRange[overview.range])}
      plainTitle={T.traffic.plainTitle}
      tools={<UnitSwitch />}
    >
      {(overview) => <TrafficBody overview={overview} />}
    </Panel>
  );
}
