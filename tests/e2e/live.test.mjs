// The page against the real program: NODEWATCH_BIN names the binary. Lines are written to a log the
// way a node does, and have to arrive on the page while it is open.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, axe, expectText, launch, sidewaysScroll, visit } from "./support/browser.mjs";

const binary = process.env.NODEWATCH_BIN;
const skip = binary ? false : "NODEWATCH_BIN is not set: name the nodewatch binary to test the page against it";
const START_DEADLINE_MS = 15_000;
const SATELLITE = "12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdCS3S";
const NAME = "Home-NAS";

let browser;
let folder;
let log;
let program;

/** One line as a node writes it; `message` is an outcome such as "uploaded". */
function line(message, action, size, change = {}) {
  const fields = {
    process: "storagenode",
    piece_id: "A".repeat(52),
    satellite_id: SATELLITE,
    action,
    remote_address: "192.0.2.7:40000",
    size,
    ...change.fields,
  };
  const time = new Date().toISOString().slice(0, 19) + "Z";
  return `${time}\t${change.level ?? "INFO"}\tpiecestore\t${message}\t${JSON.stringify(fields)}\n`;
}

function write(...lines) {
  return appendFile(log, lines.join(""));
}

/** Starts the program and waits for the address that it prints. */
async function start(listen) {
  const child = spawn(binary, ["run", "--db", path.join(folder, "x.db"), "--listen", listen, "--node", `${NAME}=${log}`]);
  let output = "";
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no address within ${START_DEADLINE_MS} ms:\n${output}`)), START_DEADLINE_MS);
    const read = (chunk) => {
      output += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
      if (!found) return;
      clearTimeout(late);
      resolve(found[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`nodewatch ended with ${code}:\n${output}`)));
  });
  return { child, url };
}

async function stop(signal) {
  if (!program || program.child.exitCode !== null || program.child.signalCode !== null) return;
  const ended = once(program.child, "exit");
  program.child.kill(signal);
  await ended;
}

before(async () => {
  if (skip) return;
  folder = await mkdtemp(path.join(tmpdir(), "nodewatch-live-"));
  log = path.join(folder, "node.log");
  await writeFile(log, line("uploaded", "PUT", 1000) + line("downloaded", "GET", 2000));
  program = await start("127.0.0.1:0");
  browser = await launch();
});

after(async () => {
  if (skip) return;
  await browser?.close();
  await stop("SIGTERM");
  await rm(folder, { recursive: true });
});

const live = (name, body) => test(name, { skip }, body);

/** The number that a figure of the live counters shows. */
async function figure(page, name) {
  const text = await page.locator(".figures > div", { hasText: name }).locator("strong").textContent();
  return Number(text.replaceAll(",", ""));
}

live("lines written to the log arrive on the open page", () =>
  visit(browser, program, async (page) => {
    await page.waitForFunction(() => document.querySelector(".live")?.textContent.includes("Live"));
    await expectText(page, ".panel-now .sums", /Pieces moved[1-9]/);
    const before_ = await figure(page, "Pieces moved");
    await write(...Array.from({ length: 5 }, () => line("downloaded", "GET", 1_000_000)), line("upload canceled", "PUT", 10));
    await expectText(page, ".panel-now .sums", `Pieces moved${before_ + 5}`);
    await expectText(page, ".panel-transfers", /Uploads.*lost race/);
    await expectText(page, ".panel-now .figures", /Last event[0-9.]+ s ago/);
  }));

live("text from a log line is shown as text, never as markup", () =>
  visit(browser, program, async (page) => {
    const hostile = '<img src=x onerror="window.broken=1">';
    await write(
      line("download failed", "GET_AUDIT", 256, { level: "ERROR", fields: { error: `${hostile}: file does not exist` } }),
      `${hostile}\n`,
    );
    await expectText(page, ".panel-now .sums", /Error lines[1-9]/);
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert.equal(await page.locator("#app img").count(), 0);
  }));

for (const [size, device] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    live(`axe finds nothing on the real page, ${size} in ${colorScheme}`, () =>
      visit(browser, program, async (page) => {
        assert.deepEqual(await axe(page), []);
        assert.equal(await sidewaysScroll(page), 0);
      }, { ...device, colorScheme, bypassCSP: true }));
  }
}

live("the page reconnects by itself after the program was killed and started again", () =>
  visit(browser, program, async (page) => {
    await page.keyboard.press("3");
    await expectText(page, ".panel-transfers h2", "last 24 h");
    const before_ = await figure(page, "Pieces moved");
    const address = new URL(program.url).host;
    await stop("SIGKILL");
    await page.waitForSelector(".banner");
    await write(...Array.from({ length: 3 }, () => line("uploaded", "PUT", 1000)));
    program = await start(address);
    await page.waitForSelector(".banner", { state: "detached", timeout: 30_000 });
    await expectText(page, ".panel-now .sums", `Pieces moved${before_ + 3}`);
    assert.match(page.url(), /range=24h$/);
  }));
