// Stands in for the C program: serves the built page under the real content security policy, and an
// API that a test scripts. `server.world` is what it knows, `server.fault` how it misbehaves, and
// `server.send` pushes a live message. Run by itself it serves the demo:
//   node fake-server.mjs --assets DIR [--port N]

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deltaNode, newWorld, overviewOf } from "./fake-data.mjs";

export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

const KEPT = 512;

async function loadAssets(folder) {
  const lines = (await readFile(path.join(folder, "manifest.txt"), "utf8")).trim().split("\n");
  const assets = new Map();
  for (const line of lines) {
    const [url, file, type, cache] = line.split("\t");
    assets.set(url, {
      body: await readFile(path.join(folder, file)),
      type,
      cache: cache === "immutable" ? "public, max-age=31536000, immutable" : "no-cache",
    });
  }
  return assets;
}

export class FakeServer {
  world = newWorld();
  /** overview: a function (response, url) that answers instead, or undefined; stream: refuse with this status. */
  fault = {};
  requests = [];
  #assets;
  #streams = new Set();
  #sent = [];
  #http;
  port = 0;

  constructor(assets) {
    this.#assets = assets;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(port = 0) {
    this.#http = createServer((request, response) => this.#answer(request, response));
    await new Promise((done) => this.#http.listen(port, "127.0.0.1", done));
    this.port = this.#http.address().port;
  }

  async close() {
    this.dropStreams();
    const closed = new Promise((done) => this.#http.close(done));
    this.#http.closeAllConnections();
    await closed;
  }

  /** As after a crash and a new start: another boot, nothing kept, the same port. */
  async restart(whileDown = async () => {}) {
    await this.close();
    await whileDown();
    this.world.boot = `b${this.world.seq}`;
    this.world.seq = 0;
    this.#sent = [];
    await this.listen(this.port);
  }

  dropStreams() {
    for (const { response } of this.#streams) response.destroy();
    this.#streams.clear();
  }

  get listeners() {
    return this.#streams.size;
  }

  /** Sends an event to all, keeping it for those who come back later. */
  send(event, body) {
    const seq = ++this.world.seq;
    const message = { seq, text: `id: ${this.world.boot}-${seq}\nevent: ${event}\ndata: ${JSON.stringify({ seq, at: Date.now(), ...body })}\n\n` };
    this.#sent.push(message);
    if (this.#sent.length > KEPT) this.#sent.shift();
    for (const { response } of this.#streams) response.write(message.text);
  }

  delta(id, change = {}) {
    this.send("delta", { nodes: [deltaNode(id, Date.now(), change)] });
  }

  #answer(request, response) {
    const url = new URL(request.url, this.url);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const routes = {
      "/api/v1/overview": () => this.#overview(url, response),
      "/api/v1/meta": () => this.#json(response, 200, this.#meta()),
      "/api/v1/stream": () => this.#stream(request, response),
    };
    const asset = this.#assets.get(url.pathname);
    if (routes[url.pathname]) routes[url.pathname]();
    else if (asset) {
      response.writeHead(200, { ...HEADERS, "Content-Type": asset.type, "Cache-Control": asset.cache });
      response.end(asset.body);
    } else this.#json(response, 404, { error: `nothing is at ${url.pathname}` });
  }

  #json(response, status, body) {
    response.writeHead(status, { ...HEADERS, "Content-Type": "application/json", "Cache-Control": "no-cache" });
    response.end(JSON.stringify(body));
  }

  #meta() {
    const nodes = this.world.nodes.map(({ id, name, log }) => ({ id, name, log }));
    return { version: "0.1.0", demo: this.world.demo, started_at: 0, at: Date.now(), boot: this.world.boot, nodes };
  }

  #overview(url, response) {
    if (this.fault.overview) return this.fault.overview(response, url);
    const ids = (url.searchParams.get("nodes") ?? "").split(",").filter(Boolean).map(Number);
    const unknown = ids.find((id) => !this.world.nodes.some((one) => one.id === id));
    if (unknown !== undefined) return this.#json(response, 400, { error: `there is no node ${unknown}` });
    this.world.now = Date.now();
    return this.#json(response, 200, overviewOf(this.world, url.searchParams.get("range") ?? "1h", ids));
  }

  #stream(request, response) {
    if (this.fault.stream) return this.#json(response, this.fault.stream, { error: "no stream just now" });
    const { boot, seq } = this.world;
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write(`retry: 2000\nevent: hello\ndata: ${JSON.stringify({ boot, seq, version: "0.1.0" })}\n\n`);
    const last = request.headers["last-event-id"];
    if (last !== undefined) this.#catchUp(response, last);
    const stream = { response };
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
  }

  #catchUp(response, last) {
    const [boot, seq] = last.split("-");
    const missed = this.#sent.filter((message) => message.seq > Number(seq));
    if (boot === this.world.boot && missed.length === this.world.seq - Number(seq)) {
      for (const message of missed) response.write(message.text);
    } else {
      response.write(`event: resync\ndata: ${JSON.stringify({ seq: this.world.seq })}\n\n`);
    }
  }
}

export async function startFake(folder, world = {}) {
  const server = new FakeServer(await loadAssets(folder));
  server.world = newWorld(world);
  await server.listen();
  return server;
}

/** The demo by itself: nodes 1, 2 and 4 do something every second. */
async function demo() {
  const { values } = parseArgs({ options: { assets: { type: "string" }, port: { type: "string", default: "0" } } });
  const server = new FakeServer(await loadAssets(values.assets));
  await server.listen(Number(values.port));
  setInterval(() => server.send("delta", { nodes: [1, 2, 4].map((id) => deltaNode(id, Date.now())) }), 1000);
  console.log(server.url);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await demo();
