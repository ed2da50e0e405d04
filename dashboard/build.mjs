// Bundles src/ into the files that the C program embeds: `node build.mjs --out DIR`. The same input
// gives the same bytes: names carry a hash of the content, nothing carries a time or a path.
// DIR/manifest.txt lists URL path, file, content type and cache class, tab-separated, one file a line.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const KB = 1000;
const BUDGET = { raw: 250 * KB, gzip: 90 * KB, script: 120 * KB };
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

async function bundle() {
  const result = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx", theme: "src/theme.ts" },
    outdir: "out",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome123", "firefox124", "safari17.5"],
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "file" },
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  return result.outputFiles.map((file) => ({ name: path.basename(file.path), contents: file.contents }));
}

function only(files, pattern) {
  const found = files.filter((file) => pattern.test(file.name));
  if (found.length !== 1) throw new Error(`${found.length} files match ${pattern}, expected one`);
  return found[0].name;
}

async function indexPage(files) {
  const names = {
    icon: only(files, /^favicon-unknown-.*\.svg$/),
    theme: only(files, /^theme-.*\.js$/),
    style: only(files, /^app-.*\.css$/),
    app: only(files, /^app-.*\.js$/),
  };
  const template = await readFile(path.join(here, "src/index.html"), "utf8");
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, key) => names[key] ?? missing(key));
  return { name: "index.html", contents: Buffer.from(page.replace(/\n\s*/g, "\n")) };
}

function missing(key) {
  throw new Error(`src/index.html asks for {{${key}}}, which the build does not make`);
}

function manifest(files) {
  const lines = files.map(({ name }) => {
    const page = name === "index.html";
    const type = TYPES[path.extname(name)] ?? missing(name);
    return [page ? "/" : `/${name}`, name, type, page ? "no-cache" : "immutable"].join("\t");
  });
  return `${lines.join("\n")}\n`;
}

function weigh(files) {
  const sum = { raw: 0, gzip: 0, script: 0 };
  for (const { name, contents } of files) {
    const gzip = gzipSync(contents, { level: 9 }).length;
    sum.raw += contents.length;
    sum.gzip += gzip;
    if (name.endsWith(".js")) sum.script += contents.length;
    console.log(`${name.padEnd(34)} ${String(contents.length).padStart(7)} B ${String(gzip).padStart(6)} B gzip`);
  }
  for (const [what, limit] of Object.entries(BUDGET)) {
    console.log(`${what.padEnd(34)} ${String(sum[what]).padStart(7)} B of ${limit} B`);
    if (sum[what] > limit) throw new Error(`the page is over its budget: ${what} ${sum[what]} B, limit ${limit} B`);
  }
}

/** The folder may hold other things: only what an earlier build listed as its own goes. */
async function removeLastBuild(folder) {
  const list = await readFile(path.join(folder, "manifest.txt"), "utf8").catch(() => "");
  for (const line of list.split("\n").filter(Boolean)) {
    await rm(path.join(folder, path.basename(line.split("\t")[1])), { force: true });
  }
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
if (!values.out) {
  console.error("usage: node build.mjs --out DIR");
  process.exit(2);
}
const files = await bundle();
files.push(await indexPage(files));
files.sort((a, b) => (a.name < b.name ? -1 : 1));
weigh(files);
await mkdir(values.out, { recursive: true });
await removeLastBuild(values.out);
for (const { name, contents } of files) await writeFile(path.join(values.out, name), contents);
await writeFile(path.join(values.out, "manifest.txt"), manifest(files));
