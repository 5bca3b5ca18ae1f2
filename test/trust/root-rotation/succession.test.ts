import assert from "node:assert/strict";
import { test } from "node:test";
import type { Charter, Succession } from "../../../src/mesh/charter.ts";
import { parseMeshDomain } from "../../../src/mesh/ids.ts";
import { bundleOf } from "../../../src/trust/bundle.ts";
import { judgeCharter, signCharter } from "../../../src/trust/charter.ts";
import { declareSuccessor, successorsOf } from "../../../src/trust/root-rotation/succession.ts";
import { type MadeAuthority, madeMesh, madeRoot, mesh } from "../made.ts";

const made = await madeMesh();
const [second, third, stranger] = [await madeRoot(), await madeRoot(), await madeRoot()];
const say = async (by: MadeAuthority, root: MadeAuthority): Promise<Succession> =>
  await declareSuccessor({ by: by.signer, root: root.certificate, mesh });
const toSecond = await say(made.root, second);
const toThird = await say(second, third);

async function verdictOn(
  signer: MadeAuthority,
  succession: readonly Succession[],
): Promise<ReturnType<typeof judgeCharter>["t"]> {
  const charter: Charter = {
    ...made.charter.charter,
    number: 7,
    bundle: [signer.certificate.der.toString("base64")],
    succession,
  };
  const { signed } = await signCharter(charter, signer.signer);
  return judgeCharter(signed, made.charter).t;
}

test("judgeCharter() follows one root's word to the next, over as many as it takes", async () => {
  assert.equal(await verdictOn(second, [toSecond]), "newer");
  assert.equal(await verdictOn(third, [toSecond, toThird]), "newer");
});

test("judgeCharter() refuses a root that no trusted root speaks for", async () => {
  for (const succession of [
    [],
    [await say(stranger, third)],
    // The word before it is missing.
    [toThird],
    // Somebody else's word under the first root's name.
    [{ ...(await say(stranger, third)), by: made.root.signer.keyId }],
    // The first root's word, about another root.
    [{ ...toSecond, root: third.certificate.der.toString("base64") }],
    [{ ...toSecond, signature: "AAAA" }],
    // A member's issuer is signed by the root, and is no root.
    [await say(made.east, third)],
  ]) {
    assert.equal(await verdictOn(third, succession), "refused");
  }
});

test("successorsOf() takes no word that was said for another mesh, and none backwards", () => {
  const { roots } = made.bundle;
  const other = parseMeshDomain("other.mesh");
  assert.deepEqual(successorsOf(roots, { succession: [toSecond], mesh: other }), []);
  const last = bundleOf([third.certificate.der]);
  assert.deepEqual(successorsOf(last.roots, { succession: [toSecond, toThird], mesh }), []);
});
