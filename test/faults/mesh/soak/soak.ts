/**
 * `npm run soak -- [--minutes N] [--seed S] [--engine embedded]`: faults at random over a mesh of processes,
 * invariants checked all the while. A schedule that breaks one is run again in ever shorter forms; what is
 * left of it is printed, and `--steps I,J` of the same seed runs just that.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { whyNoRegions } from "../../../support/regions/regions.ts";
import type { MeshOptions } from "../mesh.ts";
import { runSchedule, type SoakResult } from "./run-schedule.ts";
import { type Step, scheduleFor } from "./schedule.ts";
import { shrink } from "./shrink.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(randomInt(1, 1_000_000)) },
    engine: { type: "string", default: "envoy" },
    /** Only these steps of the schedule, by number. */
    steps: { type: "string" },
    /** How often a broken schedule may be run again. */
    shrink: { type: "string", default: "8" },
    /** Another build's `bin/isthmus.mjs`. */
    program: { type: "string" },
  },
});

/** Those of one subject would mend each other. */
const faults: readonly { readonly name: string; readonly subject: string }[] = [
  ...of("workloads", ["local-killed", "locals-killed", "local-hung", "locals-hung", "app-dead"]),
  ...of("workloads", ["local-dropped", "sidecar-killed", "sidecar-hung"]),
  ...of("gateways", ["gateway-killed", "gateway-hung", "gateways-killed", "gateways-hung"]),
  ...of("links", ["region-silent", "region-no-answers", "region-not-reached"]),
  ...of("links", ["slow-links", "lossy-links"]),
  ...of("agents", ["agent-killed", "agent-hung", "next-agent-killed"]),
  ...of("hubs", ["hub-eu-killed", "hub-us-killed", "hub-ap-hung", "hubs-flushed", "hubs-full"]),
];

function of(
  subject: string,
  names: readonly string[],
): readonly { readonly name: string; readonly subject: string }[] {
  return names.map((name) => ({ name, subject }));
}

const seed = Number(values.seed);
const missing = whyNoRegions();
if (missing !== undefined) {
  process.stderr.write(`Cannot open regions: ${missing}\n`);
  process.exitCode = 69;
} else if (values.engine !== "envoy" && values.engine !== "embedded") {
  process.stderr.write(`Cannot run engine "${values.engine}": say envoy or embedded\n`);
  process.exitCode = 2;
} else {
  const program = values.program === undefined ? {} : { program: values.program };
  await soak({ engine: values.engine, ...program });
}

interface NumberedStep extends Step {
  readonly number: number;
}

async function soak(mesh: MeshOptions): Promise<void> {
  const wanted = values.steps?.split(",").map(Number);
  const whole = scheduleFor(seed, { totalMs: Number(values.minutes) * 60_000, faults });
  const numbered = whole.map((step, number) => ({ ...step, number }));
  const steps = numbered.filter(({ number }) => wanted?.includes(number) ?? true);
  print(`seed ${seed}, engine ${mesh.engine}, ${steps.length} steps`);
  const result = await runSchedule(steps, { ...mesh, onStep: print });
  print(`${result.requests} requests, ${result.failed} failed while something was broken`);
  for (const line of memoryLines(result)) print(line);
  const { failedAt } = result;
  if (failedAt === undefined) {
    print("No invariant was broken");
    return;
  }
  process.exitCode = 1;
  const shortest = await shrink<NumberedStep>(steps, {
    failedAt,
    maxRuns: Number(values.shrink),
    fails: async (some) => {
      print(`again with steps ${some.map(({ number }) => number).join(",")}`);
      const again = await runSchedule(some, { ...mesh, onStep: (line) => print(`  ${line}`) });
      return again.failedAt !== undefined;
    },
  });
  const numbers = shortest.map(({ number }) => number).join(",");
  print(
    `The shortest found that breaks it: --seed ${seed} --minutes ${values.minutes} --steps ${numbers}`,
  );
  for (const { number, faults: names } of shortest) print(`  ${number}: ${names.join(" + ")}`);
}

function memoryLines({ rss }: SoakResult): readonly string[] {
  return [...rss].map(([part, bytes]) => {
    const mebibytes = bytes.map((one) => Math.round(one / 2 ** 20));
    return `${part.padEnd(14)} MiB after each step: ${mebibytes.join(" ")}`;
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
