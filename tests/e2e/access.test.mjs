// What lets everybody use the page: axe-core on every size and theme, the keyboard, small screens,
// long names, many nodes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, SMALLEST, assetsFolder, axe, expectText, launch, sidewaysScroll, visit } from "./support/browser.mjs";
import { node } from "./support/fake-data.mjs";
import { startFake } from "./support/fake-server.mjs";

let browser;
let server;

before(async () => {
  browser = await launch();
  server = await startFake(assetsFolder());
});
after(async () => {
  await browser.close();
  await server.close();
});

for (const [size, device] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing on the ${size} in ${colorScheme}`, () =>
      visit(browser, server, async (page) => {
        assert.deepEqual(await axe(page), []);
        await page.getByRole("button", { name: "Show as table" }).click();
        await page.getByRole("button", { name: /^Nodes/ }).click();
        await page.waitForSelector(".popup");
        assert.deepEqual(await axe(page), []);
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Help", exact: true }).click();
        assert.deepEqual(await axe(page), []);
      }, { ...device, colorScheme, bypassCSP: true }));
  }
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing while the connection is lost, in ${colorScheme}`, async () => {
    const gone = await startFake(assetsFolder());
    try {
      await visit(browser, gone, async (page) => {
        await gone.close();
        await page.waitForSelector(".banner");
        await page.waitForSelector(".stale-mark");
        assert.deepEqual(await axe(page), []);
        await gone.listen(gone.port);
      }, { colorScheme, bypassCSP: true });
    } finally {
      await gone.close();
    }
  });
}

for (const [size, device, least] of [["desktop", DESKTOP, 24], ["phone", PHONE, 44]]) {
  test(`every target on the ${size} is at least ${least} px`, () =>
    visit(browser, server, async (page) => {
      const small = await page.locator("a:visible, button:visible, input:visible").evaluateAll((all, limit) =>
        all
          .filter((one) => !one.matches(".skip"))
          .map((one) => ({ box: (one.closest("label") ?? one).getBoundingClientRect(), text: one.textContent || one.ariaLabel, label: one.ariaLabel }))
          .filter(({ box }) => Math.min(box.width, box.height) < limit - 0.1)
          .map(({ box, text, label }) => `${label ?? text}: ${box.width} x ${box.height}`), least);
      assert.deepEqual(small, []);
    }, device));
}

for (const [name, device] of [["320 px", SMALLEST], ["390 px", PHONE], ["768 px", { viewport: { width: 768, height: 1024 } }], ["1440 px", DESKTOP]]) {
  test(`nothing makes the page scroll sideways at ${name}`, () =>
    visit(browser, server, async (page) => {
      assert.equal(await sidewaysScroll(page), 0);
      assert.equal(await page.evaluate(() => innerWidth), device.viewport.width);
      const table = page.locator(".panel-nodes .table-scroll");
      assert.equal(await table.evaluate((one) => one.scrollWidth - one.clientWidth), 0, "nor the table of nodes");
      await page.getByRole("button", { name: "Show as table" }).click();
      assert.equal(await sidewaysScroll(page), 0);
    }, device));
}

test("long names and words without a break wrap, also at 320 px", async () => {
  const long = "node-" + "x".repeat(180);
  const fake = await startFake(assetsFolder(), { nodes: [node(1, long, { state_text: "y".repeat(90) })] });
  fake.world.items = [{ severity: "warning", rule: "r", node_id: 1, node: long, title: "t".repeat(200), detail: "d".repeat(400), since: null }];
  try {
    for (const device of [SMALLEST, DESKTOP]) {
      await visit(browser, fake, async (page) => assert.equal(await sidewaysScroll(page), 0), device);
      await visit(browser, fake, async (page) => assert.equal(await sidewaysScroll(page), 0), { ...device, hash: "#/?nodes=1" });
    }
  } finally {
    await fake.close();
  }
});

test("two hundred and fifty nodes are drawn, searched and updated", async () => {
  const nodes = Array.from({ length: 250 }, (_, i) => node(i + 1, `Node-${i + 1}`, { last_event_at: Date.now() }));
  const fake = await startFake(assetsFolder(), { nodes, items: [] });
  try {
    await visit(browser, fake, async (page) => {
      assert.equal(await page.locator(".panel-nodes tbody tr").count(), 250);
      for (let i = 0; i < 20; i++) fake.delta(i + 1, { error_lines: 1 });
      await expectText(page, ".panel-now .sums", "Error lines20");
      await page.keyboard.press("/");
      await page.keyboard.type("node-24");
      assert.equal(await page.locator(".popup .choice:not(.all)").count(), 11);
      assert.equal(await sidewaysScroll(page), 0);
    });
  } finally {
    await fake.close();
  }
});

test("the keyboard reaches everything in reading order, from the skip link on", () =>
  visit(browser, server, async (page) => {
    const stops = [];
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(() => {
        const at = document.activeElement;
        return at === document.body ? "" : (at.ariaLabel ?? at.textContent);
      });
      if (stop === "") break;
      stops.push(stop);
    }
    const order = ["Skip to the figures", "Nodes All 4", "15 min", "Pause live figures", "Overview", "Auto", "Help", "Table of nodes", "Cabin-Pi", "Mbit/s", "Ingress and egress, last hour, in Mbit/s", "Show as table"];
    const positions = order.map((name) => stops.findIndex((stop) => stop.trim() === name));
    assert.ok(positions.every((at) => at >= 0), `${order.filter((_, i) => positions[i] < 0)} not among ${stops.join(" | ")}`);
    assert.deepEqual(positions, [...positions].sort((a, b) => a - b), stops.join(" | "));
  }));

test("the skip link leads to the figures and leaves the address alone", () =>
  visit(browser, server, async (page) => {
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    assert.match(page.url(), /#\/\?range=24h$/);
  }, { hash: "#/?range=24h" }));

test("single keys choose range and node, open search and help, and pause", () =>
  visit(browser, server, async (page) => {
    await page.keyboard.press("3");
    await page.waitForURL(/range=24h/);
    await expectText(page, ".panel-traffic h2", "Traffic, last 24 h");
    await page.keyboard.press("n");
    await page.waitForURL(/nodes=1$/);
    await page.keyboard.press("p");
    await page.waitForURL(/range=24h$/);
    await page.keyboard.press("/");
    await page.keyboard.type("2n");
    assert.match(page.url(), /range=24h$/, "keys are text while typing");
    await page.keyboard.press("Escape");
    await page.waitForSelector(".popup", { state: "hidden" });
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.locator("main").focus();
    await page.keyboard.press("Space");
    await expectText(page, ".live", "Paused");
    await page.keyboard.press("Space");
    await page.waitForFunction(() => !document.querySelector(".live").textContent.includes("Paused"));
  }));

test("single keys can be switched off, and stay off", () =>
  visit(browser, server, async (page) => {
    await page.keyboard.press("?");
    await page.getByLabel("Use these keys").uncheck();
    await page.keyboard.press("Escape");
    await page.reload();
    await page.waitForSelector(".panel-nodes table");
    await page.keyboard.press("4");
    await page.keyboard.press("?");
    assert.equal(await page.locator("dialog[open]").count(), 0);
    assert.doesNotMatch(page.url(), /range/);
  }));

test("the arrow keys move along the chart, and the value is spoken", () =>
  visit(browser, server, async (page) => {
    await page.locator(".chart").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await expectText(page, "[role=status]", /: Ingress [0-9.]+ Mbit\/s, Egress [0-9.]+ Mbit\/s$/);
    for (let i = 0; i < 38; i++) await page.keyboard.press("ArrowRight");
    await expectText(page, "[role=status]", /no line in the log$/);
  }));

test("the help opens at the word that was asked for and gives the focus back", () =>
  visit(browser, server, async (page) => {
    await page.getByRole("button", { name: "Help: Transfers, last hour" }).click();
    await expectText(page, "dialog .asked", "Lost race");
    await page.getByRole("button", { name: "Close" }).click();
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Help: Transfers, last hour");
  }));

test("a chosen theme is remembered and in force before the first painting", () =>
  visit(browser, server, async (page) => {
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: "Dark" }).click();
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload({ waitUntil: "commit" });
    await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
    await page.waitForSelector(".panel-nodes table");
    assert.equal(await background(), dark);
    await page.getByRole("button", { name: "Auto" }).click();
    assert.equal(await background(), light);
  }));

test("nothing moves for those who asked for less motion, and forced colours keep the shapes", () =>
  visit(browser, server, async (page) => {
    assert.deepEqual(await axe(page), []);
    const seconds = await page.evaluate(() => getComputedStyle(document.querySelector(".pill")).animationDuration);
    assert.equal(seconds, "0.001s");
    assert.ok((await page.locator(".panel-nodes .pill .icon").count()) >= 4);
  }, { reducedMotion: "reduce", forcedColors: "active", bypassCSP: true }));
