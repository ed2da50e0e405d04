// Every panel of the Overview in each of its states: figures, loading, empty, failed, cut off, broken.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PHONE, assetsFolder, expectText, launch, visit } from "./support/browser.mjs";
import { node, outcomes, traffic } from "./support/fake-data.mjs";
import { startFake } from "./support/fake-server.mjs";

const PANELS = ["verdict", "now", "nodes", "traffic", "transfers"];
const REPLACED = { viewport: { width: 1440, height: 1100 } };
let browser;
let server;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** A page on a server of its own, which the test may spoil as it likes. */
function scene(name, world, body, options = {}) {
  test(name, async () => {
    server = await startFake(assetsFolder(), world());
    try {
      await visit(browser, server, (page, seen) => body(page, server, seen), { ...REPLACED, ...options, hash: options.hash ?? "" });
    } finally {
      await server.close();
    }
  });
}

const demo = () => ({});

scene("the verdict names each finding with its severity, node and age", demo, async (page) => {
  await expectText(page, ".panel-verdict h2", "2 things need you");
  const findings = await page.locator(".findings li").allTextContents();
  assert.match(findings[0], /^Critical3 audits failed in the last hour · Cabin-Pi — .*since .*\(22 min\)$/);
  assert.match(findings[1], /^WarningLog silent for 6 min · Colo-2/);
  assert.equal(await page.locator(".findings .pill .icon").count(), 2, "a shape besides the word");
});

scene("the verdict shows the worst findings first and the rest on demand", () => ({
  items: Array.from({ length: 30 }, (_, i) => ({
    severity: "warning", rule: `rule${i}`, node_id: 1, node: "Home-NAS", title: `Finding ${i}`, detail: "", since: null,
  })),
}), async (page) => {
  assert.equal(await page.locator(".findings li").count(), 4);
  await page.getByRole("button", { name: "Show all 30" }).click();
  assert.equal(await page.locator(".findings li").count(), 30);
});

scene("a fleet without findings says so quietly", () => ({ nodes: [node(1, "Solo", { last_event_at: Date.now() })], items: [] }), async (page) => {
  await expectText(page, ".panel-verdict h2", "All well");
  await page.waitForFunction(() => document.title === "All good · nodewatch");
  assert.equal(await page.locator(".findings").count(), 0);
});

scene("the table of nodes has one row a node, worst first, unknown as a dash with its reason", demo, async (page) => {
  const rows = await page.locator(".panel-nodes tbody tr").allTextContents();
  assert.equal(rows.length, 4);
  assert.match(rows[0], /^Cabin-PiCritical0\.5 \/ 1\.8\s*96\.7 \/ 91\.9 %41\s*0\s*184 kB/);
  assert.match(rows[1], /^Colo-2Attention– \/ –/);
  const rate = page.locator(".panel-nodes tbody tr:nth-child(2) .col-rate");
  assert.equal(await rate.getAttribute("title"), "No event in the last 60 s");
});

scene("a row chooses its node, in the address, and again all nodes", demo, async (page) => {
  await page.locator(".panel-nodes tbody tr", { hasText: "Colo-1" }).locator("td").nth(3).click();
  await page.waitForURL(/#\/\?nodes=2$/);
  await expectText(page, ".panel-nodes tbody", /^Colo-1Good/);
  assert.equal(await page.locator(".panel-nodes tbody tr").count(), 1);
  await page.getByRole("link", { name: "Colo-1" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".panel-nodes tbody tr").length === 4);
});

scene("on a phone a row folds its other figures into a list", demo, async (page) => {
  await page.getByRole("button", { name: "More about Cabin-Pi" }).click();
  await expectText(page, ".details", /Error lines41.*Log file\/var\/log\/storj\/cabin-pi\.log/);
}, PHONE);

scene("the live counters add up the nodes and give the age of the last event", demo, async (page) => {
  await expectText(page, ".panel-now .figures", /Ingress9\.8 Mbit\/s.*Egress25\.5 Mbit\/s.*Last event[0-9.]+ s ago.*Waiting184 kB/);
  await expectText(page, ".panel-now .sums", /Stored23\.7 GB.*Served51\.0 GB.*Error lines44.*Not understood2/);
});

scene("the chart changes its unit in the address and has a table of the same figures", demo, async (page) => {
  await expectText(page, ".series-legend", /Ingress [0-9.]+ Mbit\/s.*Egress [0-9.]+ Mbit\/s.*latest/);
  await page.getByRole("button", { name: "Pieces/s" }).click();
  await page.waitForURL(/unit=pieces/);
  await expectText(page, ".series-legend", /Ingress [0-9.]+ Pieces\/s/);
  await page.getByRole("button", { name: "Show as table" }).click();
  const rows = page.locator(".panel-traffic tbody tr");
  assert.equal(await rows.count(), 60);
  const gaps = (await rows.allTextContents()).filter((text) => text.endsWith("––"));
  assert.ok(gaps.length > 0, "a gap is a dash in the table");
});

scene("the outcomes are told apart: lost race, failed here, broken off", demo, async (page) => {
  await expectText(page, ".panel-transfers", /Downloads99\.1 % completed0\.8 % lost race · 0\.1 % failed here · <0\.1 % broken off/);
  const failed = page.locator(".outcome", { hasText: "Audits" }).locator(".part");
  assert.deepEqual(await failed.evaluateAll((parts) => parts.map((part) => part.className)), ["part completed", "part failed"]);
});

scene("kinds without a transfer say none and are no zero per cent", () => ({
  nodes: [node(1, "Quiet", { repair: outcomes(), audit: outcomes(), upload: outcomes(0, 0, 0, 0, 0, 5) })],
}), async (page) => {
  await expectText(page, ".panel-transfers", /Uploadsnone in this time span5 turned away at the request limit/);
  await expectText(page, ".panel-transfers", /Repairnone in this time span.*Auditsnone in this time span/);
  assert.doesNotMatch(await page.locator("main").textContent(), /NaN|undefined|Infinity/);
});

test("while loading every panel is busy and shows a skeleton", async () => {
  server = await startFake(assetsFolder());
  server.fault.overview = () => {};
  try {
    await visit(browser, server, async (page) => {
      for (const id of PANELS) {
        await page.waitForSelector(`.panel-${id}[aria-busy=true] .skeleton`);
      }
    }, { ready: ".panel" });
  } finally {
    await server.close();
  }
});

const NOTHING = {
  nodes: [],
  items: [],
  verdict: { state: "empty", title: "No data yet", detail: "No node has sent a line.", items: [] },
  traffic: { t_s: [], in_bytes: [], out_bytes: [], in_pieces: [], out_pieces: [] },
};

scene("when empty every panel says why, and what would fill it", () => NOTHING, async (page) => {
  await expectText(page, ".panel-verdict", /No data yet.*as soon as a node writes to the log file/);
  await expectText(page, ".panel-nodes", /No node is configured\.Start nodewatch with --node/);
  await expectText(page, ".panel-now", /No figure yet\.Counting starts/);
  await expectText(page, ".panel-traffic", /No transfer in the last hour\.Completed uploads/);
  await expectText(page, ".panel-transfers", /No transfer in the last hour\.Each finished/);
  assert.equal(await page.title(), "No data yet · nodewatch");
}, { ready: ".panel-nodes .empty" });

scene("a node that has sent no line yet is unknown, not zero", () => {
  const none = { download: outcomes(), upload: outcomes(), repair: outcomes(), audit: outcomes() };
  return { nodes: [node(1, "New", { ...none, state: "unknown", state_text: "No data", in_bps: null, out_bps: null })], items: [] };
}, async (page) => {
  await expectText(page, ".panel-nodes tbody", /^NewNo data– \/ –– \/ –00/);
  await expectText(page, ".panel-now", /Ingress– Mbit\/s/);
});

test("when failed every panel says so, with the cause and a retry that works", async () => {
  server = await startFake(assetsFolder());
  server.fault.overview = (response) => {
    response.writeHead(503, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: "the database is full: free some space" }));
  };
  try {
    await visit(browser, server, async (page) => {
      for (const id of PANELS) await expectText(page, `.panel-${id} .trouble`, /could not be loaded\..*Cause: the database is full: free some space/);
      server.fault.overview = undefined;
      await page.locator(".panel-nodes").getByRole("button", { name: "Retry" }).click();
      await page.waitForSelector(".panel-nodes table");
    }, { ready: ".panel .trouble" });
  } finally {
    await server.close();
  }
});

scene("a bookmark of a node that is gone offers all nodes", demo, async (page) => {
  await expectText(page, ".panel-nodes .trouble", "there is no node 9");
  await page.locator(".panel-nodes").getByRole("button", { name: "Show all nodes" }).click();
  await page.waitForSelector(".panel-nodes table");
}, { hash: "#/?nodes=9", ready: ".panel .trouble" });

for (const [what, answer] of [
  ["is not JSON", (response) => response.end("<html>")],
  ["lacks a field", (response) => response.end(JSON.stringify({ at: 1 }))],
]) {
  test(`an answer that ${what} is an error with its cause, not a crash`, async () => {
    server = await startFake(assetsFolder());
    server.fault.overview = answer;
    try {
      await visit(browser, server, (page) => expectText(page, ".panel-nodes .trouble", /Cause: the answer (is not JSON|does not fit this page: boot)/), { ready: ".panel .trouble" });
    } finally {
      await server.close();
    }
  });
}

scene("a failed refresh keeps the figures, marked with their age", demo, async (page, fake) => {
  await fake.close();
  await page.waitForSelector(".panel-nodes.stale .stale-mark");
  for (const id of PANELS) await page.waitForSelector(`.panel-${id}.stale`);
  assert.equal(await page.locator(".panel-nodes tbody tr").count(), 4);
  await fake.listen(fake.port);
});

scene("a chart of one known step between gaps still shows it", () => {
  const lone = traffic("1h", Date.now());
  for (const name of ["in_bytes", "out_bytes", "in_pieces", "out_pieces"]) {
    lone[name] = lone[name].map((value, i) => (i === 30 ? value : null));
  }
  return { traffic: lone };
}, async (page) => {
  const coloured = await page.locator(".uplot canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let blue = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && data[i + 2] > data[i] + 60) blue++;
    return blue;
  });
  assert.ok(coloured > 4, `${coloured} pixels in the colour of the ingress`);
});
