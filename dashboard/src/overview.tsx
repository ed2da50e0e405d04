// The Overview: what needs the operator first, then who, then how much.

import { NodesPanel } from "./panels/nodes";
import { NowPanel } from "./panels/now";
import { TrafficPanel } from "./panels/traffic";
import { TransfersPanel } from "./panels/transfers";
import { VerdictPanel } from "./panels/verdict";

export function Overview() {
  return (
    <div class="grid">
      <VerdictPanel />
      <NowPanel />
      <NodesPanel />
      <TrafficPanel />
      <TransfersPanel />
    </div>
  );
}
