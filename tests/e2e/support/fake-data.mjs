// Answers in the shape of docs/api.md, made up from a seed so that every run and every picture is the
// same. Four nodes: one good and busy, one good, one whose log is silent, one with failed audits.

const STEP_S = { "15m": 60, "1h": 60, "24h": 900, "7d": 3600, "30d": 21600 };
const SPAN_S = { "15m": 900, "1h": 3600, "24h": 86400, "7d": 604800, "30d": 2592000 };
const MIN = 60_000;

/** A small generator of reproducible numbers in [0, 1). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function outcomes(completed = 0, cancelled = 0, failed = 0, failed_by_peer = 0, bytes = 0, rejected = 0) {
  return { completed, cancelled, failed, failed_by_peer, rejected, bytes };
}

export function node(id, name, change = {}) {
  return {
    id,
    name,
    log: `/var/log/storj/${name.toLowerCase()}.log`,
    state: "good",
    state_text: "Good",
    last_event_at: null,
    in_bps: 5_200_000,
    out_bps: 14_000_000,
    download: outcomes(9940, 62, 2, 4, 21e9),
    upload: outcomes(4120, 51, 1, 2, 7.6e9),
    repair: outcomes(610, 5, 0, 1, 1.3e9),
    audit: outcomes(48, 0, 0, 0, 12_000),
    error_lines: 0,
    unparsed: 0,
    backlog_bytes: 0,
    ...change,
  };
}

export function demoNodes(now) {
  return [
    node(1, "Home-NAS", { last_event_at: now - 400, in_bps: 4_100_000, out_bps: 9_700_000, error_lines: 3 }),
    node(2, "Colo-1", { last_event_at: now - 900 }),
    node(3, "Colo-2", {
      last_event_at: now - 6 * MIN - 4000,
      in_bps: null,
      out_bps: null,
      state: "attention",
      state_text: "Attention",
      download: outcomes(3300, 25, 0, 1, 6.1e9),
      unparsed: 2,
    }),
    node(4, "Cabin-Pi", {
      last_event_at: now - 2100,
      in_bps: 480_000,
      out_bps: 1_800_000,
      state: "critical",
      state_text: "Critical",
      download: outcomes(1840, 52, 9, 2, 2.9e9),
      upload: outcomes(730, 55, 3, 6, 0.9e9),
      audit: outcomes(21, 0, 3, 0, 5400),
      error_lines: 41,
      backlog_bytes: 184_320,
    }),
  ];
}

export function demoItems(now) {
  return [
    {
      severity: "critical",
      rule: "audit_failed",
      node_id: 4,
      node: "Cabin-Pi",
      title: "3 audits failed in the last hour",
      detail: "The piece file was not there. A node that keeps failing audits is disqualified for good: look at its disk now.",
      since: now - 22 * MIN,
    },
    {
      severity: "warning",
      rule: "log_silent",
      node_id: 3,
      node: "Colo-2",
      title: "Log silent for 6 min",
      detail: "Nothing was written to /var/log/storj/colo-2.log. Is the node running, and is this still its log?",
      since: now - 6 * MIN,
    },
  ];
}

function sumKind(nodes, kind) {
  const sum = outcomes();
  for (const one of nodes) for (const key of Object.keys(sum)) sum[key] += one[kind][key];
  return sum;
}

/** A day's wave with noise; a gap of silence at two thirds. */
export function traffic(range, now, scale = 1) {
  const step = STEP_S[range];
  const count = Math.floor(SPAN_S[range] / step);
  const last = Math.floor(now / 1000 / step) * step;
  const next = random(7);
  const result = { t_s: [], in_bytes: [], out_bytes: [], in_pieces: [], out_pieces: [] };
  for (let i = 0; i < count; i++) {
    const start = last - (count - 1 - i) * step;
    const gap = i > count * 0.62 && i < count * 0.66;
    const part = i === count - 1 ? Math.max(0.01, (now / 1000 - start) / step) : 1;
    const wave = Math.sin((i / count) * 7) * 0.25 + 1;
    const put = (name, per_second, jitter) =>
      result[name].push(gap ? null : Math.round(per_second * wave * (1 + (next() - 0.5) * jitter) * step * part * scale));
    result.t_s.push(start);
    put("in_bytes", 1.35e6, 0.35);
    put("out_bytes", 3.6e6, 0.25);
    put("in_pieces", 5.1, 0.3);
    put("out_pieces", 11.6, 0.3);
  }
  return result;
}

const ORDER = ["critical", "attention", "unknown", "good"];

export function verdictOf(nodes, items) {
  const count = nodes.length;
  const state = nodes.map((one) => one.state).sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))[0] ?? "empty";
  const urgent = items.filter((item) => item.severity !== "info").length;
  return {
    state: urgent === 0 && state !== "unknown" ? "good" : state === "unknown" ? "empty" : state,
    title: urgent === 0 ? "All well" : `${urgent} ${urgent === 1 ? "thing needs" : "things need"} you`,
    detail: `${count} ${count === 1 ? "node" : "nodes"} · nothing disqualified or suspended`,
    items,
  };
}

/** An overview over some of the world's nodes, as the server would answer it. */
export function overviewOf(world, range, ids) {
  const { now } = world;
  const chosen = ids.length > 0 ? world.nodes.filter((one) => ids.includes(one.id)) : world.nodes;
  const items = world.items.filter((item) => item.node_id === null || chosen.some((one) => one.id === item.node_id));
  const lasts = chosen.map((one) => one.last_event_at).filter((at) => at !== null);
  const moving = world.traffic ?? traffic(range, now, chosen.length / Math.max(1, world.nodes.length));
  return {
    at: now,
    boot: world.boot,
    seq: world.seq,
    demo: world.demo,
    range,
    from_s: Math.floor(now / 1000) - SPAN_S[range],
    to_s: Math.floor(now / 1000),
    step_s: STEP_S[range],
    verdict: world.verdict ?? verdictOf(chosen, items),
    nodes: chosen,
    traffic: moving,
    transfers: Object.fromEntries(["download", "upload", "repair", "audit"].map((kind) => [kind, sumKind(chosen, kind)])),
    last_event_at: lasts.length > 0 ? Math.max(...lasts) : null,
  };
}

/** What one node did in a second, for a delta. */
export function deltaNode(id, now, change = {}) {
  return {
    id,
    last_event_at: now,
    lines: 5,
    in_bps: 5_000_000,
    out_bps: 12_000_000,
    in_bytes: 600_000,
    out_bytes: 1_500_000,
    in_pieces: 2,
    out_pieces: 3,
    download: outcomes(3, 0, 0, 0, 1_500_000),
    upload: outcomes(2, 0, 0, 0, 600_000),
    repair: outcomes(),
    audit: outcomes(),
    error_lines: 0,
    unparsed: 0,
    backlog_bytes: 0,
    ...change,
  };
}

/** Everything that a test can change before or while the page runs. */
export function newWorld(change = {}) {
  const now = Date.now();
  return {
    now,
    boot: "5f3a9c01",
    seq: 100,
    demo: true,
    nodes: demoNodes(now),
    items: demoItems(now),
    verdict: undefined,
    traffic: undefined,
    ...change,
  };
}
