// How transfers ended, kind by kind. A lost race is normal and drawn quietly; only what failed here
// is drawn to be looked at.

import { KINDS } from "../api";
import type { Kind, Outcomes } from "../api";
import { attempts, count, percent, share, wonShare } from "../format";
import { hasTransfers } from "../select";
import { T } from "../strings";
import { Empty, Panel } from "./panel";

const PARTS = ["completed", "cancelled", "failed_by_peer", "failed"] as const;
const NOT_COMPLETED = ["cancelled", "failed", "failed_by_peer"] as const;

function summary(outcomes: Outcomes): string {
  const total = attempts(outcomes);
  const parts = NOT_COMPLETED.filter((part) => outcomes[part] > 0).map((part) =>
    T.transfers.parts[part](percent(share(outcomes[part], total))),
  );
  if (parts.length === 0 && total > 0) parts.push(T.transfers.allDone);
  if (outcomes.rejected > 0) parts.push(T.transfers.rejected(count(outcomes.rejected)));
  return parts.join(" · ");
}

function exact(outcomes: Outcomes): string {
  return PARTS.map((part) => `${T.transfers.legend[part]}: ${count(outcomes[part])}`).join("\n");
}

function Bar({ kind, outcomes }: { kind: Kind; outcomes: Outcomes }) {
  const total = attempts(outcomes);
  return (
    <div class="outcome" title={total > 0 ? exact(outcomes) : T.unknownReason.races}>
      <h3>{T.transfers.kinds[kind]}</h3>
      <p class="won">{total > 0 ? T.transfers.completed(percent(wonShare(outcomes))) : T.transfers.none}</p>
      <div class="bar" aria-hidden="true">
        {PARTS.filter((part) => outcomes[part] > 0).map((part) => (
          <span class={`part ${part}`} key={part} style={{ flexGrow: outcomes[part] }} />
        ))}
      </div>
      <p class="parts">{summary(outcomes)}</p>
    </div>
  );
}

function Legend() {
  return (
    <ul class="legend">
      {PARTS.map((part) => (
        <li>
          <span class={`swatch part ${part}`} aria-hidden="true" /> {T.transfers.legend[part]}
        </li>
      ))}
    </ul>
  );
}

export function TransfersPanel() {
  return (
    <Panel id="transfers" title={(o) => T.transfers.title(T.inRange[o.range])} plainTitle={T.transfers.plainTitle}>
      {(overview) =>
        hasTransfers(overview) ? (
          <>
            {KINDS.map((kind) => (
              <Bar key={kind} kind={kind} outcomes={overview.transfers[kind]} />
            ))}
            <Legend />
          </>
        ) : (
          <Empty title={T.transfers.emptyTitle(T.inRange[overview.range])} hint={T.transfers.emptyHint} />
        )
      }
    </Panel>
  );
}
