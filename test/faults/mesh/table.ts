/**
 * `npm run faults [-- --engine embedded] [-- --repeat N] [-- --only NAME,…] [-- --resume FILE]`: what came
 * of each fault, judged against the table that the product must reach.
 */
import { writeFileSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { whyNoRegions } from "../../support/regions/regions.ts";
import { meshFaults } from "./all-faults.ts";
import type { Engine } from "./configs.ts";
import { distribution } from "./distribution.ts";
import type { MeshFault } from "./fault.ts";
import { FaultMesh } from "./mesh.ts";
import { headline, lineOf } from "./outcome-lines.ts";
import { type Outcome, type RunOptions, runFault } from "./run-fault.ts";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "envoy" },
    repeat: { type: "string", default: "1" },
    only: { type: "string" },
    /** Outcomes as lines of JSON: those that it holds are not measured again, new ones are appended. */
    resume: { type: "string" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "10" },
    /** A folder that gets every exchange of the caller: what is wrong with a fault is seen there. */
    samples: { type: "string" },
    /** Another build's `bin/isthmus.mjs`. */
    program: { type: "string" },
  },
});
const only = values.only?.split(",");
const known = new Set(meshFaults.map(({ name }) => name));
const unknown = only?.filter((name) => !known.has(name)) ?? [];
const missing = whyNoRegions();

if (values.engine !== "envoy" && values.engine !== "embedded") {
  stop(2, `Cannot run engine "${values.engine}": say envoy or embedded`);
} else if (unknown.length > 0) {
  stop(2, `Cannot run "${unknown.join(", ")}": there are ${[...known].join(", ")}`);
} else if (missing !== undefined) stop(69, `Cannot open regions: ${missing}`);
else await runAll(values.engine);

function stop(code: number, reason: string): void {
  process.stderr.write(`${reason}\n`);
  process.exitCode = code;
}

async function runAll(engine: Engine): Promise<void> {
  const outcomes = [...(await outcomesIn(values.resume))].filter((one) => one.engine === engine);
  const perSecond = Number(values.rate);
  process.stdout.write(
    `engine ${engine}; the caller in eu sends ${perSecond} requests/s over 16 connections at most, half of them POST, and 20 new\n` +
      `TCP connections/s; each other caller a tenth of it; faults last ${values.seconds} s; times in ms\n\n${headline()}`,
  );
  for (let turn = 1; turn <= Number(values.repeat); turn += 1) {
    const due = meshFaults.filter(
      ({ name }) =>
        (only?.includes(name) ?? true) &&
        outcomes.filter((outcome) => outcome.name === name).length < turn,
    );
    if (due.length > 0) outcomes.push(...(await runOnce(due, { engine, perSecond })));
  }
  process.stdout.write(`\n${distribution(outcomes)}`);
}

/** Each on one mesh, which is replaced when a fault broke it. */
async function runOnce(
  faults: readonly MeshFault[],
  { engine, perSecond }: { readonly engine: Engine; readonly perSecond: number },
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let mesh: FaultMesh | undefined;
  const program = values.program === undefined ? {} : { program: values.program };
  for (const fault of faults) {
    const { svidLifeMs } = fault;
    try {
      if (svidLifeMs !== undefined) {
        await mesh?.[Symbol.asyncDispose]();
        mesh = await FaultMesh.open({ engine, ...program, svidLifeMs });
      }
      mesh ??= await FaultMesh.open({ engine, ...program });
      const lastsMs = Number(values.seconds) * 1000;
      const outcome = await runFault(mesh, fault, { perSecond, lastsMs, ...keepingSamples(fault) });
      outcomes.push(outcome);
      process.stdout.write(lineOf(outcome, fault.title));
      if (values.resume !== undefined) {
        await appendFile(values.resume, `${JSON.stringify(outcome)}\n`);
      }
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      process.stdout.write(`${fault.name}: BROKEN ${reason.slice(0, 2000)}\n`);
      process.exitCode = 1;
      await mesh?.[Symbol.asyncDispose]();
      mesh = undefined;
    }
  }
  await mesh?.[Symbol.asyncDispose]();
  return outcomes;
}

/** Lines of JSON with times in ms after the fault. */
function keepingSamples({ name }: MeshFault): Pick<RunOptions, "onSamples"> {
  const dir = values.samples;
  if (dir === undefined) return {};
  const onSamples: RunOptions["onSamples"] = (samples, { faultMs, healMs }) => {
    const lines = samples.map((sample) =>
      JSON.stringify({
        ...sample,
        startMs: Math.round(sample.startMs - faultMs),
        endMs: Math.round(sample.endMs - faultMs),
      }),
    );
    const first = JSON.stringify({ healMs: Math.round(healMs - faultMs) });
    writeFileSync(join(dir, `${name}.jsonl`), `${[first, ...lines].join("\n")}\n`);
  };
  return { onSamples };
}

async function outcomesIn(file: string | undefined): Promise<readonly Outcome[]> {
  const text = file === undefined ? "" : await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Outcome);
}
