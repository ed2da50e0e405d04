// The page as time goes on: live figures, lost and found connections, changed questions, and text
// from hostile places.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assetsFolder, expectText, launch, open, visit } from "./support/browser.mjs";
import { newWorld, node, overviewOf } from "./support/fake-data.mjs";
import { startFake } from "./support/fake-server.mjs";

let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

function scene(name, body, { world = {}, ...options } = {}) {
  test(name, async () => {
    const server = await startFake(assetsFolder(), world);
    try {
      await visit(browser, server, async (page, seen) => {
        await page.waitForSelector(".live:not(.tone-off)");
        await body(page, server, seen);
      }, options);
    } finally {
      await server.close();
    }
  });
}

const overviews = (server) => server.requests.filter((line) => line.includes("/overview")).length;

scene("a live message changes the figures without asking again", async (page, server) => {
  const asked = overviews(server);
  server.delta(1, { error_lines: 7, in_bps: 88_000_000 });
  await expectText(page, ".panel-now .sums", "Error lines51");
  await expectText(page, ".panel-nodes tbody", /Home-NASGood88\.0 \/ 12\.0/);
  assert.equal(overviews(server), asked);
});

scene("a changed verdict is shown, announced, and put into the tab", async (page, server) => {
  const { items } = newWorld();
  server.send("verdict", {
    state: "critical", title: "1 thing needs you", detail: "4 nodes", items: items.slice(0, 1),
    node_states: [{ id: 3, state: "good", state_text: "Good" }],
  });
  await expectText(page, ".panel-verdict h2", "1 thing needs you");
  await expectText(page, "[role=status]", "Resolved: Log silent for 6 min, Colo-2");
  await expectText(page, ".live", /Live · last event [0-9.]+ s ago/);
  assert.equal(await page.title(), "1 needs attention · nodewatch");
  assert.match(await page.locator("link[rel=icon]").getAttribute("href"), /favicon-critical/);
});

scene("a lost connection leaves the page usable, and coming back gives what was missed", async (page, server) => {
  await page.keyboard.press("n");
  await page.waitForURL(/nodes=1$/);
  await expectText(page, ".panel-nodes tbody", /^Home-NAS/);
  await page.waitForFunction(() => document.querySelector(".live").textContent.startsWith("Live"));
  server.delta(1, { error_lines: 1 });
  await expectText(page, ".panel-now .sums", "Error lines4");
  const asked = overviews(server);
  server.fault.stream = 503;
  server.dropStreams();
  await expectText(page, ".banner", /Connection to nodewatch lost\..*Cause:.*Next try in [0-9]+ s/);
  await expectText(page, ".live", /Reconnecting/);
  await expectText(page, "[role=status]", "Connection to nodewatch lost.");
  assert.equal(await page.title(), "Not connected · nodewatch");
  await page.getByRole("button", { name: "Pieces/s" }).click();
  await page.waitForURL(/unit=pieces/);
  server.delta(1, { error_lines: 10 });
  server.fault.stream = undefined;
  await page.waitForSelector(".banner", { state: "detached" });
  await expectText(page, ".panel-now .sums", "Error lines14");
  assert.match(page.url(), /nodes=1&unit=pieces$/, "the view is kept");
  assert.equal(await page.locator(".panel-nodes tbody tr").count(), 1);
  assert.equal(overviews(server), asked, "what was missed came through the stream");
});

scene("a connection lost before its first message still misses nothing", async (page, server) => {
  server.fault.stream = 503;
  server.dropStreams();
  await page.waitForSelector(".banner");
  server.world.nodes[1].error_lines = 60;
  server.world.seq += 1;
  server.fault.stream = undefined;
  await expectText(page, ".panel-now .sums", "Error lines104");
});

scene("Retry now tries now", async (page, server) => {
  server.fault.stream = 503;
  server.dropStreams();
  // The third wait is 4 s: long enough to tell a click from patience.
  await expectText(page, ".banner", "Next try in 4 s");
  server.fault.stream = undefined;
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.waitForSelector(".banner", { state: "detached" });
});

scene("a restarted server is asked for everything again", async (page, server) => {
  await page.keyboard.press("3");
  await expectText(page, ".panel-traffic h2", "last 24 h");
  await server.restart(async () => {
    await page.waitForSelector(".banner");
    server.world.nodes = server.world.nodes.map((one) => ({ ...one, error_lines: 100 }));
  });
  await expectText(page, ".panel-now .sums", "Error lines400");
  await page.waitForSelector(".stale-mark", { state: "detached" });
  server.delta(1, { error_lines: 5 });
  await expectText(page, ".panel-now .sums", "Error lines405");
  assert.match(page.url(), /range=24h$/);
});

scene("a refresh that fails keeps the figures and says why they are not new", async (page, server) => {
  server.fault.overview = (response) => {
    response.writeHead(503, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: "the database is busy" }));
  };
  server.send("resync", {});
  await expectText(page, ".banner", /could not be brought up to date\..*Cause: the database is busy/);
  server.delta(1, { error_lines: 2 });
  await expectText(page, ".panel-now .sums", "Error lines46");
  server.fault.overview = undefined;
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.waitForSelector(".banner", { state: "detached" });
});

scene("resync fetches the overview again", async (page, server) => {
  server.world.nodes[0].error_lines = 900;
  server.send("resync", {});
  await expectText(page, ".panel-now .sums", "Error lines941");
});

test("messages between the first overview and the stream are not lost", async () => {
  const server = await startFake(assetsFolder());
  // The stream begins later than the overview, and a message has come in between.
  const body = JSON.stringify(overviewOf(server.world, "1h", []));
  server.fault.stream = 503;
  server.fault.overview = (response) => {
    server.fault = {};
    server.world.nodes[0].error_lines = 30;
    server.world.seq += 1;
    response.end(body);
  };
  try {
    await visit(browser, server, (page) => expectText(page, ".panel-now .sums", "Error lines71"));
    assert.equal(overviews(server), 2);
  } finally {
    await server.close();
  }
});

scene("the figures are fetched again every half minute, and not while paused", async (page, server) => {
  const asked = overviews(server);
  server.world.nodes[0].error_lines = 500;
  await page.clock.runFor(31_000);
  await expectText(page, ".panel-now .sums", "Error lines541");
  assert.equal(overviews(server), asked + 1);
  await page.getByRole("button", { name: "Pause live figures" }).click();
  await page.clock.runFor(65_000);
  assert.equal(overviews(server), asked + 1);
}, { prepare: (page) => page.clock.install() });

scene("a silent connection is taken for dead and opened anew", async (page, server) => {
  server.fault.stream = 503;
  assert.equal(server.listeners, 1);
  await page.clock.runFor(46_000);
  await page.waitForSelector(".banner");
  server.fault.stream = undefined;
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.waitForSelector(".banner", { state: "detached" });
  assert.equal(server.listeners, 1);
}, { prepare: (page) => page.clock.install() });

scene("pausing holds the figures, resuming brings them up to date", async (page, server) => {
  await page.getByRole("button", { name: "Pause live figures" }).click();
  await expectText(page, ".live", /Paused · as of \d\d:\d\d:\d\d/);
  server.delta(1, { error_lines: 50 });
  server.world.nodes[0].error_lines = 53;
  server.send("verdict", { state: "good", title: "Never seen", detail: "", items: [], node_states: [] });
  await page.getByRole("button", { name: "Resume live figures" }).click();
  await expectText(page, ".panel-now .sums", "Error lines94");
  await expectText(page, ".panel-verdict h2", "2 things need you");
});

scene("the address is the state, and the back button goes back", async (page) => {
  await page.getByRole("link", { name: "7 d", exact: true }).click();
  await expectText(page, ".panel-transfers h2", "last 7 days");
  await page.getByRole("button", { name: /^Nodes/ }).click();
  await page.getByRole("checkbox", { name: "Colo-1" }).check();
  await page.getByRole("checkbox", { name: "Colo-2" }).check();
  await page.waitForURL(/range=7d&nodes=2,3$/);
  await page.waitForFunction(() => document.querySelectorAll(".panel-nodes tbody tr").length === 2);
  await page.goBack();
  await page.waitForURL(/range=7d&nodes=2$/);
  await page.waitForFunction(() => document.querySelectorAll(".panel-nodes tbody tr").length === 1);
  await page.goBack();
  await page.goBack();
  await expectText(page, ".panel-transfers h2", "last hour");
});

scene("figures are never shown under the heading of another question", async (page, server) => {
  server.fault.overview = (response) => {
    response.writeHead(500, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: "out of order" }));
  };
  await page.keyboard.press("5");
  await expectText(page, ".panel-nodes .trouble", "Cause: out of order");
  assert.equal(await page.locator(".panel-nodes table").count(), 0);
});

scene("a message that cannot be read is no end of the page", async (page, server) => {
  server.send("delta", { nodes: "none" });
  await expectText(page, ".banner", /delta\.nodes should be a list/);
  await page.waitForSelector(".banner", { state: "detached" });
  server.delta(1, { error_lines: 1 });
  await expectText(page, ".panel-now .sums", "Error lines45");
});

scene("a hidden tab draws nothing, keeps its title, and catches up when shown", async (page, server) => {
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  server.delta(1, { error_lines: 6 });
  server.send("verdict", { state: "good", title: "All well", detail: "", items: [], node_states: [] });
  await page.waitForFunction(() => document.title === "All good · nodewatch");
  assert.match(await page.locator(".panel-now .sums").textContent(), /Error lines44/);
  assert.equal(server.listeners, 1, "the stream stays open");
  await hide(false);
  await expectText(page, ".panel-now .sums", "Error lines50");
});

const HOSTILE = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>';

scene("text from a log or a name is shown as text, never as markup", async (page, server) => {
  const item = { severity: "critical", rule: "r", node_id: 1, node: HOSTILE, title: HOSTILE, detail: HOSTILE, since: null };
  server.send("verdict", { state: "critical", title: HOSTILE, detail: HOSTILE, items: [item], node_states: [{ id: 1, state: "critical", state_text: HOSTILE }] });
  await expectText(page, ".panel-verdict h2", HOSTILE);
  await expectText(page, ".panel-verdict .findings", HOSTILE);
  await expectText(page, ".panel-nodes tbody", HOSTILE);
  await page.getByRole("button", { name: /^Nodes/ }).click();
  await expectText(page, ".popup", HOSTILE);
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator("#app img, #app script").count(), 0);
}, { world: { nodes: [node(1, HOSTILE, { log: HOSTILE })], items: [] } });

scene("the demo says that it is one", async (page) => {
  await expectText(page, ".brand", "Demo data");
});

scene("real figures carry no demo badge", async (page) => {
  assert.equal(await page.locator(".demo").count(), 0);
}, { world: { demo: false } });

test("the page asks its own server only, and breaks no policy, from first to last", async () => {
  const server = await startFake(assetsFolder());
  try {
    await visit(browser, server, async (page) => {
      await page.keyboard.press("?");
      await page.waitForSelector("dialog[open]");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Dark" }).click();
      await page.getByRole("button", { name: "Show as table" }).click();
      await page.setViewportSize({ width: 400, height: 800 });
      await page.keyboard.press("4");
      await expectText(page, ".panel-traffic h2", "last 7 days");
    });
    const unknown = server.requests.filter((line) => !/^GET \/($|app-|theme-|favicon-|api\/v1\/(overview|meta|stream))/.test(line));
    assert.deepEqual(unknown, []);
  } finally {
    await server.close();
  }
});

test("the policy of these tests does catch an offence", async () => {
  const server = await startFake(assetsFolder());
  const { context, page } = await open(browser);
  try {
    await page.goto(server.url);
    await page.evaluate(() => document.body.setAttribute("style", "color: red"));
    await page.waitForFunction(() => window.breaches.length > 0);
  } finally {
    await context.close();
    await server.close();
  }
});
