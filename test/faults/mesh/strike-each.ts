import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { whyNoRegions } from "../../support/regions/regions.ts";
import type { Engine } from "./configs.ts";
import type { MeshFault } from "./fault.ts";
import { FaultMesh } from "./mesh.ts";
import { headline, lineOf } from "./outcome-lines.ts";
import { type Outcome, runFault } from "./run-fault.ts";

const missing =
  whyNoRegions() ?? (process.env["ISTHMUS_ENVOY"] === undefined ? "there is no Envoy" : undefined);
const skip = missing !== undefined && process.env["CI"] === undefined ? missing : false;

// Half of what a quiet machine bears: other tests may run beside these.
const perSecond = 300;
const briefMs = 4000;
// Where round trips were measured on a busy machine, what is silent is waited for longest: 5 s.
const silentMs = 8000;
const lastingOf = ({ row }: MeshFault): number => (row.endsWith("silent") ? silentMs : briefMs);
const isShort = ({ lastsMs: own = 0, isRare = false }: MeshFault): boolean =>
  !isRare && own <= 5000;

/**
 * A test for each fault that is short, all on one mesh: nothing that could be repeated fails, and traffic
 * comes back. How long things take is printed; `npm run faults` judges it.
 */
export function strikeEach(engine: Engine, faults: readonly MeshFault[]): void {
  suite(`faults of a mesh of three regions, ${engine}`, { skip }, () => {
    let mesh: FaultMesh;
    before(async () => {
      mesh = await FaultMesh.open({ engine });
    });
    after(async () => {
      await mesh[Symbol.asyncDispose]();
    });

    for (const fault of faults.filter(isShort)) {
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
  const { http, engine, row } = outcome;
  const reasons = JSON.stringify(http.failures);
  assert.ok(http.requests > 0, "requests were answered");
  assert.equal(outcome.twice, 0, "what may not be repeated was carried out once");
  const isAnnounced = row.endsWith("in good order") || row.endsWith("replaced");
  const mayFail = isAnnounced ? 0 : http.inFlight;
  assert.ok(http.othersFailed <= mayFail, `others failed: ${reasons}`);
  if (engine === "envoy") assert.equal(http.idempotentFailed, 0, reasons);
  else assert.ok(http.failed <= http.inFlight, reasons);
  assert.equal(http.backFailed, 0, `on the way back: ${reasons}`);
  assert.ok(http.atEnd.byOthers > 0, "traffic goes on");
  assert.equal(http.atEnd.byStruck, 0, "traffic has moved before all is mended");
  if (outcome.struckShare > 0) assert.notEqual(http.back, undefined, "traffic came back");
}
