// The bar at the top: whose figures, which nodes, which time span, and whether they are live.

import { RANGES } from "../api";
import { useApp } from "../app-context";
import { formatRoute } from "../router";
import { T } from "../strings";
import { LiveState } from "./live-state";
import { NodePicker } from "./node-picker";

function RangeChips() {
  const { state } = useApp();
  return (
    <nav class="segments ranges" aria-label={T.rangeLabel}>
      {RANGES.map((range, index) => (
        <a
          href={formatRoute({ ...state.route, range })}
          aria-current={range === state.route.range ? "true" : undefined}
          aria-keyshortcuts={String(index + 1)}
        >
          {T.ranges[range]}
        </a>
      ))}
    </nav>
  );
}

export function TopBar() {
  const { state } = useApp();
  return (
    <header class="topbar">
      <p class="brand">
        {T.brand}
        {state.overview?.demo && (
          <span class="demo" title={T.demoTitle}>
            {T.demo}
          </span>
        )}
      </p>
      <div class="choices">
        <NodePicker />
        <RangeChips />
      </div>
      <LiveState />
    </header>
  );
}
