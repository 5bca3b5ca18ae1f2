import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { whyNoRegions } from "../support/regions/regions.ts";
import { meshFaults } from "./mesh/all-faults.ts";
import type { Engine } from "./mesh/configs.ts";
import type { MeshFault } from "./mesh/fault.ts";
import { FaultMesh } from "./mesh/mesh.ts";
import { headline, lineOf } from "./mesh/outcome-lines.ts";
import { type Outcome, runFault } from "./mesh/run-fault.ts";

const missing =
  whyNoRegions() ?? (process.env["ISTHMUS_ENVOY"] === undefined ? "there is no Envoy" : undefined);
const skip = missing !== undefined && process.env["CI"] === undefined ? missing : false;

// Half of what a quiet machine bears: other tests run beside these.
const perSecond = 300;
const briefMs = 4000;
// Where round trips were measured on a busy machine, what is silent is waited for longest: 5 s.
const silentMs = 8000;
const lastingOf = ({ row }: MeshFault): number => (row.endsWith("silent") ? silentMs : briefMs);
const isShort = ({ lastsMs: own = 0, isRare = false }: MeshFault): boolean =>
  !isRare && own <= 5000;

// What is forwarded as bytes is repeated by nobody: a handful of faults shows that the engine of ours moves it.
const embeddedFaults = ["local-killed", "locals-killed", "gateway-killed", "agent-killed"];

interface Run {
  readonly what: string;
  readonly engine: Engine;
  readonly faults: readonly MeshFault[];
}

const short = meshFaults.filter(isShort);
const isOfData = ({ row }: MeshFault): boolean => !/control plane|links|good order/.test(row);

// A mesh each. How long things take is printed; `npm run faults` judges it.
const runs: readonly Run[] = [
  { what: "what carries requests dies", engine: "envoy", faults: short.filter(isOfData) },
  { what: "the rest dies", engine: "envoy", faults: short.filter((one) => !isOfData(one)) },
  {
    what: "connections are forwarded",
    engine: "embedded",
    faults: meshFaults.filter(({ name }) => embeddedFaults.includes(name)),
  },
];

for (const { what, engine, faults } of runs) {
  suite(`faults of a mesh of three regions, ${engine}: ${what}`, { skip }, () => {
    let mesh: FaultMesh;
    before(async () => {
      mesh = await FaultMesh.open({ engine });
    });
    after(async () => {
      await mesh[Symbol.asyncDispose]();
    });

    for (const fault of faults) {
      test(`${fault.title}: traffic goes on and comes back`, async (t) => {
        const outcome = await runFault(mesh, fault, { perSecond, lastsMs: lastingOf(fault) });
        for (const line of [headline(), ...lineOf(outcome, fault.title).split("\n")]) {
          t.diagnostic(line);
        }
        assertSurvived(outcome);
      });
    }
  });
}

function assertSurvived(outcome: Outcome): void {
  const { http, engine } = outcome;
  const reasons = JSON.stringify(http.failures);
  assert.ok(http.requests > 0, "requests were answered");
  assert.equal(outcome.twice, 0, "what may not be repeated was carried out once");
  assert.ok(http.othersFailed <= http.inFlight, `others failed: ${reasons}`);
  if (engine === "envoy") assert.equal(http.idempotentFailed, 0, reasons);
  else assert.ok(http.failed <= http.inFlight, reasons);
  assert.equal(http.backFailed, 0, `on the way back: ${reasons}`);
  assert.ok(http.atEnd.byOthers > 0, "traffic goes on");
  assert.equal(http.atEnd.byStruck, 0, "traffic has moved before all is mended");
  if (outcome.struckShare > 0) assert.notEqual(http.back, undefined, "traffic came back");
}
