// Builds dist/isthmus.mjs: the program and its packages as one module of plain JavaScript. Node strips no
// types inside node_modules, so this is what an installed package and an image run; it also starts faster.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isBundleFresh } from "../bin/bundle-freshness.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const outfile = join(root, "dist/isthmus.mjs");

// Some packages are CommonJS: bundled as they are they still call require for Node's own modules and
// read __dirname, which an ES module does not have.
const commonJs = `
import { createRequire as __createRequire } from "node:module";
import { dirname as __dirnameOf } from "node:path";
import { fileURLToPath as __toPath } from "node:url";
const require = __createRequire(import.meta.url);
const __filename = __toPath(import.meta.url);
const __dirname = __dirnameOf(__filename);
`.trim();

// What started the program has looked already; without the flag the bundle is made anew.
if (process.argv.includes("--if-stale") && isBundleFresh(root)) process.exit(0);

const { build } = await import("esbuild");
mkdirSync(join(root, "dist"), { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ["src/cli/main.ts"],
  // Renamed into place: another start may be reading the old one.
  outfile: `${outfile}.next.mjs`,
  banner: { js: commonJs },
  bundle: true,
  // 17 MB that only a kubeconfig with a login of its own needs, and an addon that only a root in a token needs:
  // imported when they are asked for, out of the packages beside the program.
  external: ["@kubernetes/client-node", "pkcs11js"],
  format: "esm",
  legalComments: "inline",
  logLevel: "warning",
  platform: "node",
  target: "node24",
});
asciiOnly(`${outfile}.next.mjs`);
renameSync(`${outfile}.next.mjs`, outfile);
console.log(`dist/isthmus.mjs ${(statSync(outfile).size / 1e6).toFixed(1)} MB`);

/**
 * A process keeps its program's text: V8 with two bytes for each character when a single one is beyond ASCII, and that
 * was 8 MB. The bundler escapes such characters in code, and leaves them in comments.
 */
function asciiOnly(file) {
  const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  writeFileSync(file, readFileSync(file, "utf8").replace(/[^\0-\x7f]/g, escaped));
}
