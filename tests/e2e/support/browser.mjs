// Opens pages in Debian's Chromium and watches them: every request, every error, and every breach of
// the content security policy is written down, for the tests to look at.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fromDashboard } from "./modules.mjs";

const { chromium } = fromDashboard("playwright-core");

/** Long enough for a loaded machine; nothing waits this long when all is well. */
const PATIENCE_MS = 20_000;

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
export const SMALLEST = { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true };

export function assetsFolder() {
  const folder = process.env.NODEWATCH_ASSETS;
  assert.ok(folder, "NODEWATCH_ASSETS is not set: start the tests with tests/e2e/run");
  return folder;
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.NODEWATCH_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}

/** A page with its own context; `seen` is what was noticed about it. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ ...DESKTOP, timezoneId: "Europe/Berlin", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const seen = { requests: [], errors: [], breaches: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted ?Type/i.test(message.text())) seen.breaches.push(message.text());
  });
  await page.addInitScript(() => {
    window.breaches = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      window.breaches.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  return { context, page, seen };
}

/** Opens the page, waits for its figures, and gives `body` what it needs; checks what no page may do. */
export async function visit(browser, server, body, { hash = "", ready = ".panel-nodes table", prepare, ...options } = {}) {
  const { context, page, seen } = await open(browser, options);
  try {
    await prepare?.(page);
    await page.goto(`${server.url}/${hash}`);
    if (ready) await page.waitForSelector(ready);
    await body(page, seen);
    assert.deepEqual(seen.errors, [], "the page threw an error");
    assert.deepEqual(foreign(seen.requests, server.url), [], "the page asked another host");
    if (!options.bypassCSP) {
      assert.deepEqual([...seen.breaches, ...(await page.evaluate(() => window.breaches))], [], "the policy was broken");
    }
  } finally {
    await context.close();
  }
}

export function foreign(requests, home) {
  return requests.filter((url) => new URL(url).origin !== home && !/^(data|blob):/.test(url));
}

/** What axe-core finds wrong, one line a finding. Needs a page opened with bypassCSP. */
export async function axe(page) {
  const source = await readFile(fromDashboard.resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(source);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return violations.flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.target} ${node.failureSummary}`));
}

/** Waits until an element says `wanted`; fails with what it says instead. */
export async function expectText(page, selector, wanted) {
  const source = wanted instanceof RegExp ? wanted.source : wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const says = ([where, pattern]) => new RegExp(pattern).test(document.querySelector(where)?.textContent ?? "");
  try {
    await page.waitForFunction(says, [selector, source]);
  } catch {
    const text = await page.evaluate((where) => document.querySelector(where)?.textContent, selector);
    assert.fail(`${selector} says ${JSON.stringify(text)}, not ${wanted}`);
  }
}

/** The width by which the page could be scrolled sideways; 0 when it fits. */
export function sidewaysScroll(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
