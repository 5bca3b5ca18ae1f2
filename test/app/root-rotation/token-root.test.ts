import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  type CharterHolder,
  handsIn,
  type RotationStep,
  takeStep,
} from "../../../src/app/root-rotation/rotate-root.ts";
import { parseMeshDomain } from "../../../src/mesh/ids.ts";
import { loadCharterOf } from "../../../src/trust/io/member-files.ts";
import { rootPlaceIn } from "../../../src/trust/io/root-place.ts";
import { initTrust } from "../../../src/trust/io/trust-files.ts";
import { softToken, whyNoToken } from "../../trust/io/pkcs11/soft-token.ts";

const steps: readonly RotationStep[] = [
  { t: "start" },
  { t: "activate" },
  { t: "drain" },
  { t: "retire", isEmergency: false },
  { t: "end" },
];

test("a root in a PKCS#11 token is replaced by a key made in that token, twice", {
  skip: whyNoToken() ?? false,
}, async () => {
  await using token = await softToken();
  const dir = join(token.dir, "root");
  await initTrust({
    dir,
    mesh: parseMeshDomain("acme.mesh"),
    token: token.place,
    nowMs: Date.now(),
  });
  let { signed } = await loadCharterOf(dir);
  const agent: CharterHolder = {
    newest: () => Promise.resolve(signed),
    hand: async (next) => {
      signed = next;
    },
  };
  const roots = new Set<string>();
  for (const key of ["root.next", "root.next.next"]) {
    for (const step of steps) await takeStep(await handsIn(dir, { agent }), step);
    const { charter, bundle } = await loadCharterOf(dir);
    assert.equal(charter.rotation, undefined);
    assert.equal(bundle.roots.length, 1);
    roots.add(bundle.roots[0]?.spkiSha256 ?? "");
    assert.deepEqual(await rootPlaceIn(dir), { t: "pkcs11", ...token.place, key });
  }
  assert.equal(roots.size, 2);
});
