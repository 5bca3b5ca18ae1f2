// The gate: format, lint, types, dead code, tests; stops at the first red.
//
//   npm test                     all of it
//   npm test -- FILE…            all of it, but only these test files
//   npm run check                all but the tests
//
// With CI set nothing may be missing and nothing may be skipped.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { hasKubernetes } from "./kubernetes.mjs";
import { node24 } from "./node24.mjs";
import { provide } from "./provide.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const strict = Boolean(process.env.CI);
const args = process.argv.slice(2);
const node = node24();
// Node 24 first, so that the tools' `#!/usr/bin/env node` means it too.
const bins = [dirname(node), join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
// Named, because the linter would walk into every folder there is.
const linted = ["src", "test", "bench", "scripts", "bin"].filter((dir) =>
  existsSync(join(root, dir)),
);
const checks = [
  ["format", "biome", ["ci", `--colors=${process.stdout.isTTY ? "force" : "off"}`]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings", ...linted]],
  ["types", "tsc", []],
  ["dead code", "knip", []],
];

if (args.includes("--without-tests")) {
  runChecks();
} else {
  const env = provideTools();
  const turns = turnsOf(args);
  const kubernetes = turns.some(({ needs }) => needs) ? startKubernetes() : undefined;
  runChecks();
  await runTests(turns, { env, kubernetes });
}

function runChecks() {
  for (const [title, command, commandArgs] of checks) check(title, command, commandArgs);
}

/** Prints a check's output only when it is red. */
function check(title, command, commandArgs) {
  const startedMs = Date.now();
  process.stdout.write(`${title.padEnd(10)} `);
  const result = spawnSync(command, commandArgs, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, PATH: bins, [process.stdout.isTTY ? "FORCE_COLOR" : "NO_COLOR"]: "1" },
    maxBuffer: 64 << 20,
  });
  const green = result.status === 0;
  process.stdout.write(
    `${green ? "ok" : "RED"} ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`,
  );
  if (green) return;
  process.stdout.write(
    `${result.error?.message ?? ""}${result.stdout ?? ""}${result.stderr ?? ""}\n`,
  );
  process.exit(1);
}

/** @returns {Record<string, string>} what to add to the environment of tests */
function provideTools() {
  const startedMs = Date.now();
  process.stdout.write("tools      ");
  const { env, problems } = provide("test");
  report(startedMs, problems);
  return env;
}

function report(startedMs, problems) {
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `${problems.length === 0 ? "ok" : strict ? "RED" : "incomplete"} ${seconds} s\n`,
  );
  for (const problem of problems) process.stdout.write(`  ${problem}\n`);
  if (problems.length > 0 && strict) process.exit(1);
  if (problems.length > 0) process.stdout.write("  Tests that need these are skipped\n");
}

/**
 * Built on a machine for the first time it takes minutes, in which checks and most tests can run.
 *
 * @returns {{ wait: () => Promise<{ env: Record<string, string>, problems: string[] }> }}
 */
function startKubernetes() {
  if (!hasKubernetes()) process.stdout.write("kubernetes is built meanwhile, once\n");
  const script = join(root, "scripts/kubernetes.mjs");
  const child = spawn("nice", [process.execPath, script], { stdio: ["ignore", "pipe", "pipe"] });
  // A red check ends this process at once, and the build with it.
  process.on("exit", () => child.kill());
  let folder = "";
  let said = "";
  child.stdout.on("data", (text) => {
    folder += text;
  });
  child.stderr.on("data", (text) => {
    said += text;
  });
  const closed = once(child, "close");
  return {
    wait: async () => {
      const [code] = await closed;
      if (code === 0) return { env: { ISTHMUS_KUBERNETES: folder.trim() }, problems: [] };
      return { env: {}, problems: [said.trim()] };
    },
  };
}

async function runTests(turns, { env, kubernetes }) {
  const scratch = mkdtempSync(join(tmpdir(), "isthmus-test-"));
  try {
    for (const [at, { paths, atOnce, needs }] of turns.entries()) {
      if (needs === "kubernetes") Object.assign(env, await waitFor(kubernetes));
      const tapFile = join(scratch, `${at}.tap`);
      const result = spawnSync(node, [...testFlags(tapFile, atOnce), ...paths], {
        cwd: root,
        env: { ...process.env, ...env, PATH: bins },
        stdio: "inherit",
      });
      // Node's own summary stays the last thing printed when all is green.
      const isRed = result.status !== 0 || (strict && hasSkipped(tapFile));
      if (isRed) process.exitCode = 1;
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @returns {Promise<Record<string, string>>} */
async function waitFor(kubernetes) {
  const startedMs = Date.now();
  process.stdout.write("kubernetes ");
  const { env, problems } = await kubernetes.wait();
  report(startedMs, problems);
  return env;
}

/**
 * A mesh of three regions under load fills a small machine: those tests come last, and one after the other. Those with a
 * real Kubernetes come after what needs none, as that may still be building.
 *
 * @param {string[]} files
 * @returns {{ paths: string[], atOnce: number, needs?: "kubernetes" }[]}
 */
function turnsOf(files) {
  // Node's default is one less than the cores: one file at a time on a small machine.
  const atOnce = Math.max(2, availableParallelism() - 1);
  if (files.length > 0) return [{ paths: files, atOnce, ...needsOf(files) }];
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => join("test", path))
    .sort();
  const isMesh = (path) => dirname(path) === "test/faults" && basename(path).startsWith("mesh-");
  const clusters = all.filter(usesKubernetes);
  const others = all.filter((path) => !usesKubernetes(path));
  return [
    { paths: others.filter((path) => !isMesh(path)), atOnce },
    { paths: clusters, atOnce, ...needsOf(clusters) },
    { paths: others.filter(isMesh), atOnce: 1 },
  ];
}

function needsOf(paths) {
  return paths.some(usesKubernetes) ? { needs: "kubernetes" } : {};
}

/** It says itself that it is skipped without. */
function usesKubernetes(path) {
  const isThere = existsSync(resolve(root, path));
  return isThere && readFileSync(resolve(root, path), "utf8").includes("skipWithoutKubernetes");
}

function testFlags(tapFile, atOnce) {
  return [
    "--test",
    // Inherited by the process of each file.
    "--import=./test/support/end-with-parent.ts",
    `--test-concurrency=${atOnce}`,
    // A hanging test must end before its CI job does.
    "--test-timeout=600000",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tapFile}`,
  ];
}

/** @returns {boolean} */
function hasSkipped(tapFile) {
  const tap = readFileSync(tapFile, "utf8");
  const lines = tap.split("\n").filter((line) => /^\s*ok .* # (SKIP|TODO)\b/.test(line));
  if (/^# tests 0$/m.test(tap)) lines.push("no test ran");
  for (const line of lines) process.stdout.write(`Not allowed with CI set: ${line.trim()}\n`);
  return lines.length > 0;
}
