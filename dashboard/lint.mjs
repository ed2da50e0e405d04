// Refuses what would let text become code or break the content security policy. The browser refuses
// the same through Trusted Types, but not every browser knows them, so the sources must not even try.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "src");
const FORBIDDEN = [
  [/\b(inner|outer)HTML\b/, "text becomes markup"],
  [/\binsertAdjacentHTML\b/, "text becomes markup"],
  [/\bdangerouslySetInnerHTML\b/, "text becomes markup"],
  [/\bcreateContextualFragment\b|\bDOMParser\b|\bsrcdoc\b/, "text becomes markup"],
  [/\bdocument\s*\.\s*write/, "text becomes markup"],
  [/\beval\s*\(|\bnew\s+Function\b/, "text becomes code"],
  [/\bset(Timeout|Interval)\s*\(\s*["'`]/, "text becomes code"],
  [/\bstyle\s*=\s*["']/, "an inline style, which the policy refuses"],
  [/setAttribute\(\s*["']style/, "an inline style, which the policy refuses"],
  [/\son[a-z]+\s*=\s*["']/i, "an inline handler, which the policy refuses"],
  [/javascript:/i, "text becomes code"],
  [/https?:\/\/(?!www\.w3\.org\/)/, "another host"],
];
const ONLY_IN_PAGE = [[/<style\b/i, "an inline style"], [/<script(?![^>]*\bsrc=)/i, "an inline script"]];

const names = await readdir(root, { recursive: true });
let faults = 0;
for (const name of names.filter((n) => /\.(ts|tsx|html|css|svg)$/.test(n)).sort()) {
  const rules = /\.(html|svg)$/.test(name) ? [...FORBIDDEN, ...ONLY_IN_PAGE] : FORBIDDEN;
  const lines = (await readFile(path.join(root, name), "utf8")).split("\n");
  lines.forEach((line, index) => {
    for (const [pattern, why] of rules) {
      if (!pattern.test(line)) continue;
      console.error(`src/${name}:${index + 1}: ${line.match(pattern)[0].trim()}: ${why}`);
      faults++;
    }
  });
  if (lines.length > 301) {
    console.error(`src/${name}: ${lines.length - 1} lines, the limit is 300`);
    faults++;
  }
}
if (faults > 0) process.exit(1);
console.log(`${names.length} files, nothing forbidden`);
