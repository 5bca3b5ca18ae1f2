/** The demo, run as a user runs it: how soon the first request passes, and what each failure costs. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { report } from "./report.ts";

const runs = 5;

interface Phase {
  readonly name: string;
  readonly failed: number;
  readonly cut: number;
  readonly movedMs: number | null;
  readonly lastFailureMs: number | null;
  readonly homeMs: number | null;
}

interface Round {
  readonly wholeMs: number;
  readonly firstRequestMs: number;
  readonly phases: readonly Phase[];
}

const rounds = Array.from({ length: runs }, runOnce);
const figuresOf = (name: string, pick: (phase: Phase) => number | null): number[] =>
  rounds.map(({ phases }) => pick(phaseNamed(phases, name)) ?? 0);

report({
  claim: "A failing region hurts nobody but what was in flight on it",
  setup: { members: 4, sidecars: 15, gateways: 4, command: "npm start -- --once", runs },
  figures: [
    {
      name: "whole run",
      unit: "ms",
      samples: rounds.map((round) => round.wholeMs),
      target: { atMost: 25_000 },
    },
    {
      name: "first request",
      unit: "ms",
      samples: rounds.map((round) => round.firstRequestMs),
      target: { atMost: 3000 },
    },
    {
      name: "drain: failed",
      unit: "requests",
      samples: figuresOf("drain", (phase) => phase.failed),
      target: { atMost: 0 },
      judgedBy: "worst",
    },
    {
      name: "drain: cut",
      unit: "requests",
      samples: figuresOf("drain", (phase) => phase.cut),
      target: { atMost: 0 },
      judgedBy: "worst",
    },
    { name: "drain: moved", unit: "ms", samples: figuresOf("drain", (phase) => phase.movedMs) },
    {
      name: "crash: failed",
      unit: "requests",
      samples: figuresOf("crash", (phase) => phase.failed),
      target: { atMost: 0 },
      judgedBy: "worst",
    },
    { name: "crash: cut", unit: "requests", samples: figuresOf("crash", (phase) => phase.cut) },
    { name: "crash: moved", unit: "ms", samples: figuresOf("crash", (phase) => phase.movedMs) },
    {
      name: "crash: last failure",
      unit: "ms",
      samples: figuresOf("crash", (phase) => phase.lastFailureMs),
      target: { atMost: 1000 },
    },
    {
      name: "silent gateway: failed",
      unit: "requests",
      samples: figuresOf("silent-gateway", (phase) => phase.failed),
      target: { atMost: 0 },
      judgedBy: "worst",
    },
    {
      name: "silent gateway: cut",
      unit: "requests",
      samples: figuresOf("silent-gateway", (phase) => phase.cut),
    },
    {
      name: "silent gateway: moved",
      unit: "ms",
      samples: figuresOf("silent-gateway", (phase) => phase.movedMs),
      target: { atMost: 4000 },
    },
    {
      name: "recovery: failed",
      unit: "requests",
      samples: figuresOf("recovery", (phase) => phase.failed),
      target: { atMost: 0 },
      judgedBy: "worst",
    },
    { name: "recovery: home", unit: "ms", samples: figuresOf("recovery", (phase) => phase.homeMs) },
  ],
});

function runOnce(): Round {
  const dir = mkdtempSync(join(tmpdir(), "isthmus-bench-"));
  const file = join(dir, "out.json");
  const startMs = performance.now();
  const result = spawnSync("npm", ["start", "--silent", "--", "--once", "--json", file], {
    encoding: "utf8",
    timeout: 120_000,
  });
  const wholeMs = performance.now() - startMs;
  // Exit 1 says that requests failed: that is a figure, not a fault of the benchmark.
  if (result.status !== 0 && result.status !== 1)
    throw new Error(`${result.stdout}${result.stderr}`);
  const json = JSON.parse(readFileSync(file, "utf8")) as Omit<Round, "wholeMs">;
  rmSync(dir, { recursive: true });
  return { ...json, wholeMs };
}

function phaseNamed(phases: readonly Phase[], name: string): Phase {
  const found = phases.find((phase) => phase.name === name);
  if (found === undefined) throw new Error(`The demo had no phase "${name}"`);
  return found;
}
