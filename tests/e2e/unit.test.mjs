// The page's pure modules: numbers, addresses, the stream's format, and the state.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deltaNode, newWorld, outcomes, overviewOf } from "./support/fake-data.mjs";
import { load } from "./support/modules.mjs";

const m = await load("format", "router", "sse", "state", "live", "series", "check", "tab", "announce", "chart", "select", "shell/live-state");

const world = newWorld();
const overview = overviewOf(world, "1h", []);
const NOW = world.now;

function answered(change = {}) {
  const state = m.initialState(NOW);
  return { ...m.reduce(state, { type: "answered", query: "range=1h", overview, now: NOW }), link: { kind: "live" }, ...change };
}

function delta(seq, nodes) {
  return { kind: "delta", boot: overview.boot, body: { seq, at: NOW + 1000, nodes } };
}

test("shows an unknown figure as a dash and never as a zero or NaN", () => {
  for (const format of [m.count, m.amount, m.mbit, m.bytes, m.percent, m.duration]) assert.equal(format(null), "–");
  for (const format of [m.count, m.amount, m.percent, m.duration]) assert.equal(format(NaN), "–");
  assert.equal(m.share(0, 0), null);
});

test("shows amounts with the digits that matter", () => {
  const expected = [[0, "0"], [0.001, "<0.01"], [0.04, "0.04"], [4.06, "4.1"], [97.34, "97.3"], [99.96, "100"], [1234.5, "1,235"]];
  for (const [value, text] of expected) assert.equal(m.amount(value), text);
  assert.equal(m.mbit(12_400_000), "12.4");
});

test("shows bytes in decimal units with the binary ones in the tooltip", () => {
  assert.equal(m.bytes(0), "0 B");
  assert.equal(m.bytes(999), "999 B");
  assert.equal(m.bytes(999_999), "1.0 MB");
  assert.equal(m.bytes(21_400_000_000_000), "21.4 TB");
  assert.equal(m.bytesExact(1024), "1,024 B = 1.0 KiB");
});

test("never rounds a share to all or to none", () => {
  assert.equal(m.percent(m.share(99_999, 100_000)), "99.9 %");
  assert.equal(m.percent(m.share(1, 100_000)), "<0.1 %");
  assert.equal(m.percent(100), "100 %");
  assert.equal(m.percent(0), "0 %");
});

test("counts a lost race neither as a success nor as something turned away", () => {
  assert.equal(m.wonShare(outcomes(90, 5, 3, 2, 0, 50)), 90);
  assert.equal(m.wonShare(outcomes(0, 0, 0, 0, 0, 7)), null);
});

test("shows a length of time in its largest sensible unit", () => {
  const expected = [[400, "0.4 s"], [-50, "0.0 s"], [12_900, "12 s"], [364_000, "6 min"], [3 * 3600e3, "3 h"], [49 * 3600e3, "2 d"]];
  for (const [ms, text] of expected) assert.equal(m.duration(ms), text);
});

test("keeps an address through parsing and formatting", () => {
  for (const hash of ["#/", "#/?range=24h", "#/?nodes=1,3", "#/?range=7d&nodes=2&unit=pieces"]) {
    assert.equal(m.formatRoute(m.parseRoute(hash, ["/"])), hash);
  }
});

test("takes the default for an address that makes no sense", () => {
  const route = m.parseRoute("#/nowhere?range=5y&nodes=x,-1,3,3,1e9,<b>&unit=furlong", ["/"]);
  assert.deepEqual(route, { path: "/", range: "1h", nodes: [3], unit: "mbit" });
  assert.deepEqual(m.parseRoute("", ["/"]), m.HOME);
});

test("steps through the nodes and past either end to all of them", () => {
  assert.deepEqual(m.stepNode([], [1, 2, 3], 1), [1]);
  assert.deepEqual(m.stepNode([3], [1, 2, 3], 1), []);
  assert.deepEqual(m.stepNode([], [1, 2, 3], -1), [3]);
  assert.deepEqual(m.stepNode([99], [1, 2], 1), [1]);
  assert.deepEqual(m.stepNode([], [], 1), []);
});

test("choosing every node by name means all nodes", () => {
  assert.deepEqual(m.toggleNode([1], 2, [1, 2]), []);
  assert.deepEqual(m.toggleNode([3], 1, [1, 2, 3]), [1, 3]);
  assert.deepEqual(m.toggleNode([1, 3], 1, [1, 2, 3]), [3]);
});

test("reads a stream that arrives in any pieces", () => {
  const text = "id: b-1\r\nevent: hello\r\ndata: {}\r\n\r\n: beat\n\nid: b-2\nevent: delta\ndata: a\ndata: b\n\n";
  for (let size = 1; size < text.length; size++) {
    const parser = new m.SseParser();
    const messages = [];
    for (let at = 0; at < text.length; at += size) messages.push(...parser.feed(text.slice(at, at + size)));
    assert.deepEqual(messages, [
      { event: "hello", id: "b-1", data: "{}" },
      { event: "delta", id: "b-2", data: "a\nb" },
    ]);
  }
});

test("names the last complete message after the stream broke inside the next one", () => {
  const parser = new m.SseParser();
  parser.feed("id: b-1\ndata: x\n\nid: b-2\ndata: y\n");
  assert.equal(parser.lastId, "b-1");
  parser.restart();
  assert.deepEqual(parser.feed("data: z\n\n"), [{ event: "message", id: "b-1", data: "z" }]);
});

test("adds a message to its node, to the sums and to the chart", () => {
  const after = m.applyDelta(overview, delta(101, [deltaNode(1, NOW + 900, { error_lines: 2 })]).body);
  const [before, node] = [overview.nodes[0], after.nodes[0]];
  assert.equal(node.download.completed, before.download.completed + 3);
  assert.equal(node.error_lines, before.error_lines + 2);
  assert.equal(node.in_bps, 5_000_000);
  assert.equal(node.last_event_at, NOW + 900);
  assert.equal(after.transfers.upload.bytes, overview.transfers.upload.bytes + 600_000);
  const sum = (o) => o.traffic.in_bytes.reduce((total, value) => total + (value ?? 0), 0);
  const left_the_window = after.traffic.t_s[0] > overview.traffic.t_s[0] ? overview.traffic.in_bytes[0] : 0;
  assert.equal(after.traffic.t_s.length, overview.traffic.t_s.length);
  assert.equal(sum(after), sum(overview) - left_the_window + 600_000);
  assert.equal(overview.nodes[0].error_lines, before.error_lines, "the old overview is left alone");
});

test("adds no message twice and none of a node that is not shown", () => {
  assert.equal(m.applyDelta(overview, delta(100, [deltaNode(1, NOW)]).body), overview);
  const after = m.applyDelta(overview, delta(101, [deltaNode(77, NOW)]).body);
  assert.deepEqual(after.transfers, overview.transfers);
  assert.deepEqual(after.traffic, overview.traffic);
});

test("moves the chart on over silent steps and leaves them as gaps", () => {
  const body = { seq: 101, at: NOW + 180_000, nodes: [deltaNode(1, NOW + 180_000)] };
  const { traffic } = m.applyDelta(overview, body);
  assert.equal(traffic.t_s.at(-1) - overview.traffic.t_s.at(-1), 180);
  assert.deepEqual(traffic.in_bytes.slice(-3), [null, null, 600_000]);
});

test("adds what came while an overview was under way, once it is there", () => {
  let state = m.reduce(m.initialState(NOW), { type: "asked" });
  for (const seq of [100, 101, 102]) state = m.reduce(state, { type: "news", news: delta(seq, [deltaNode(1, NOW)]), now: NOW });
  state = m.reduce(state, { type: "answered", query: "range=1h", overview, now: NOW });
  assert.equal(state.overview.seq, 102);
  assert.equal(state.overview.nodes[0].download.completed, overview.nodes[0].download.completed + 6);
});

test("ignores messages of another boot of the server", () => {
  const news = { ...delta(101, [deltaNode(1, NOW)]), boot: "other" };
  assert.equal(m.reduce(answered(), { type: "news", news, now: NOW }).overview, overview);
});

test("drops an answer to a question that is no longer asked", () => {
  const state = m.reduce(answered(), { type: "routed", route: { ...m.HOME, range: "24h" } });
  assert.equal(m.reduce(state, { type: "answered", query: "range=1h", overview, now: NOW }), state);
  assert.equal(m.reduce(state, { type: "failed", query: "range=1h", failure: new Error("old") }), state);
});

test("keeps figures when a refresh fails, but not under another question's heading", () => {
  const failed = m.reduce(answered(), { type: "failed", query: "range=1h", failure: new Error("down") });
  assert.equal(failed.overview, overview);
  const moved = m.reduce(answered(), { type: "routed", route: { ...m.HOME, nodes: [2] } });
  assert.equal(moved.overview, overview, "shown as waiting until the answer comes");
  const lost = m.reduce(moved, { type: "failed", query: "range=1h&nodes=2", failure: new Error("down") });
  assert.equal(lost.overview, null);
});

test("stands still while paused", () => {
  const paused = m.reduce(answered(), { type: "paused", paused: true, now: NOW });
  assert.equal(m.reduce(paused, { type: "news", news: delta(101, [deltaNode(1, NOW)]), now: NOW + 1 }), paused);
  assert.equal(m.reduce(paused, { type: "ticked", now: NOW + 5000 }).now, NOW);
});

test("counts ages by the server's clock, whatever the viewer's says", () => {
  const wrong = NOW - 3_600_000;
  const state = m.reduce(m.initialState(wrong), { type: "answered", query: "range=1h", overview, now: wrong });
  assert.equal(m.serverNow(state), overview.at);
});

test("calls figures stale only when they are cut off", () => {
  assert.equal(m.staleFor(answered({ now: NOW + 60_000 })), null);
  const cut = answered({ now: NOW + 60_000, link: { kind: "waiting", retryAt: 0, reason: "" } });
  assert.equal(m.staleFor(cut), 60_000);
});

test("draws rates with gaps, and the running step by the part that has passed", () => {
  const traffic = { t_s: [0, 60, 120], in_bytes: [60e6, null, 30e6], out_bytes: [0, null, 1], in_pieces: [60, null, 30], out_pieces: [0, null, 0] };
  const half = m.seriesOf({ ...overview, step_s: 60, at: 150_000, traffic }, "mbit");
  assert.deepEqual(half.ingress, [8, null, 8]);
  assert.deepEqual(m.seriesOf({ ...overview, step_s: 60, at: 150_000, traffic }, "pieces").ingress, [1, null, 1]);
  const young = m.seriesOf({ ...overview, step_s: 60, at: 125_000, traffic }, "mbit");
  assert.deepEqual(young.ingress, [8, null, null]);
  assert.equal(m.latestKnown(young), 0);
});

test("moves the chart's cursor by keys and stops at either end", () => {
  assert.equal(m.cursorAfter("ArrowRight", null, 5), 0);
  assert.equal(m.cursorAfter("ArrowLeft", null, 5), 4);
  assert.equal(m.cursorAfter("ArrowRight", 4, 5), 4);
  assert.equal(m.cursorAfter("Home", 3, 5), 0);
  assert.equal(m.cursorAfter("Escape", 3, 5), null);
  assert.equal(m.cursorAfter("x", 3, 5), undefined);
});

test("names the field of an answer that does not fit", () => {
  const check = m.object({ nodes: m.list(m.object({ id: m.number })) });
  assert.throws(() => check({ nodes: [{ id: 1 }, { id: "2" }] }, ""), /nodes\[1\]\.id should be a number, but is string/);
  assert.throws(() => check({}, ""), /nodes should be a list, but is missing/);
  assert.deepEqual(check({ nodes: [], later: 1 }, ""), { nodes: [] });
});

test("puts the state of all nodes into the browser tab", () => {
  assert.deepEqual(m.tabOf(answered()), { icon: "critical", text: "2 need attention" });
  assert.equal(m.tabOf(answered({ link: { kind: "waiting", retryAt: 0, reason: "" } })).text, "Not connected");
});

test("says which log is silent, and for how long", () => {
  const { word, tone } = m.liveText(answered());
  assert.equal(word, "Log silent for 6 min: Colo-2");
  assert.equal(tone, "attention");
});

test("announces findings that are new and findings that are gone", () => {
  const before = new Map([["a", "A"], ["b", "B"]]);
  assert.deepEqual(m.changes(before, new Map([["b", "B"], ["c", "C"]])), ["New: C", "Resolved: A"]);
});
