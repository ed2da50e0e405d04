// The page's pure modules, transpiled for Node, so that they are tested without a browser.

import { rm, writeFile, mkdtemp } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const dashboard = fileURLToPath(new URL("../../../dashboard/", import.meta.url));
export const fromDashboard = createRequire(path.join(dashboard, "package.json"));

/** Everything that the named modules of dashboard/src export. */
export async function load(...names) {
  const { build } = fromDashboard("esbuild");
  const result = await build({
    absWorkingDir: dashboard,
    stdin: { contents: names.map((name) => `export * from "./src/${name}";`).join("\n"), resolveDir: dashboard },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    loader: { ".svg": "text" },
  });
  const folder = await mkdtemp(path.join(tmpdir(), "nodewatch-modules-"));
  try {
    const file = path.join(folder, "modules.mjs");
    await writeFile(file, result.outputFiles[0].contents);
    return await import(pathToFileURL(file));
  } finally {
    await rm(folder, { recursive: true });
  }
}
