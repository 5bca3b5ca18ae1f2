import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  type CharterDesk,
  createCharterDesk,
} from "../../../../src/app/agent/desk/charter-desk.ts";
import type { SignedCharter } from "../../../../src/mesh/charter.ts";
import { judgeCharter, signCharter, type TrustedCharter } from "../../../../src/trust/charter.ts";
import { withStanding } from "../../../../src/trust/charter-edit.ts";
import type { Signer } from "../../../../src/trust/signer.ts";
import { east, madeMesh, madeRoot, nowMs, west } from "../../../trust/made.ts";
import { silentLog } from "../../support/test-mesh.ts";

const made = await madeMesh();
const deny = (name: typeof east) => (charter: TrustedCharter["charter"]) =>
  withStanding(charter, { name, state: "denied", nowMs });

/** A desk over a disk and a mesh that are told what happens, in order. */
class World {
  current = made.charter;
  disk = made.charter;
  readonly steps: string[] = [];
  /** Runs while a charter is on its way to disk. */
  whileSaving: () => void = () => undefined;

  desk(signer: Signer | "none" = made.root.signer): CharterDesk {
    return createCharterDesk({
      signer: signer === "none" ? undefined : async () => signer,
      current: () => this.current,
      save: async (charter) => {
        this.steps.push(`saved ${charter.charter.number}`);
        this.whileSaving();
        this.disk = charter;
      },
      offer: (signed) => this.offer(signed),
      log: silentLog,
    });
  }

  offer(signed: SignedCharter): ReturnType<typeof judgeCharter> {
    const verdict = judgeCharter(signed, this.current);
    if (verdict.t === "newer") {
      this.current = verdict.charter;
      this.steps.push(`in force ${verdict.charter.charter.number}`);
    }
    return verdict;
  }
}

suite("createCharterDesk()", () => {
  test("writes a charter before anybody sees it", async () => {
    const world = new World();
    await world.desk().raise(deny(west));
    assert.deepEqual(world.steps, ["saved 2", "in force 2"]);
  });

  test("changes nothing when the disk refuses, and gives the number to the next one", async () => {
    const world = new World();
    const desk = world.desk();
    world.whileSaving = () => {
      throw new Error("disk full");
    };
    await assert.rejects(desk.raise(deny(west)), /disk full/);
    assert.equal(world.current.charter.number, 1);
    world.whileSaving = () => undefined;
    const next = await desk.raise(deny(east));
    assert.deepEqual([next.charter.number, world.disk.charter.number], [2, 2]);
  });

  test("makes an edit again on what came into force meanwhile: neither change is lost", async () => {
    const world = new World();
    const foreign = await signCharter(deny(east)(made.charter.charter), made.root.signer);
    let isFirst = true;
    world.whileSaving = () => {
      if (isFirst) world.offer(foreign.signed);
      isFirst = false;
    };
    const next = await world.desk().raise(deny(west));
    assert.equal(next.charter.number, 3);
    assert.deepEqual(
      next.charter.members.map(({ state }) => state),
      ["denied", "denied"],
    );
    assert.deepEqual(world.disk.signed, next.signed);
  });

  test("raises one after the other, however many ask at once", async () => {
    const world = new World();
    const desk = world.desk();
    const raised = await Promise.all([desk.raise(deny(east)), desk.raise(deny(west))]);
    assert.deepEqual(
      raised.map(({ charter }) => charter.number),
      [2, 3],
    );
  });

  test("takes a charter of the root that was made elsewhere, and tells a conflict from an old one", async () => {
    const world = new World();
    const desk = world.desk("none");
    const denied = await signCharter(deny(west)(made.charter.charter), made.root.signer);
    assert.equal((await desk.hand(denied.signed)).charter.number, 2);
    // Again: nothing to do.
    assert.equal((await desk.hand(denied.signed)).charter.number, 2);
    const other = await signCharter(deny(east)(made.charter.charter), made.root.signer);
    const conflict = { code: "MESH_TRUST_CHARTER_CONFLICT" };
    await assert.rejects(desk.hand(other.signed), conflict);
    await assert.rejects(desk.hand(made.charter.signed), conflict);
  });

  test("nobody but the root denies: not a member's key, not another root, not one who edits the bytes", async () => {
    const world = new World();
    const desk = world.desk("none");
    const charter = deny(west)(made.charter.charter);
    const honest = await signCharter(charter, made.root.signer);
    const bytes = Buffer.from(JSON.stringify(charter));
    const byMember = { bytes, signer: made.east.signer.keyId };
    const signature = await made.east.signer.sign(bytes);
    const stranger = await madeRoot();
    const forged: readonly SignedCharter[] = [
      { ...byMember, signature },
      { ...byMember, signature, signer: made.root.signer.keyId },
      { ...honest.signed, signer: stranger.signer.keyId },
      { ...honest.signed, bytes: Buffer.from(JSON.stringify({ ...charter, number: 9 })) },
      { ...honest.signed, signature: Buffer.alloc(0) },
    ];
    for (const one of forged) {
      await assert.rejects(desk.hand(one), { code: "MESH_TRUST_CHARTER_REFUSED" });
    }
    // An agent whose signer is no root of the mesh raises nothing.
    await assert.rejects(world.desk(made.east.signer).raise(deny(west)), {
      code: "MESH_TRUST_CHARTER_REFUSED",
    });
    await assert.rejects(desk.raise(deny(west)), { code: "MESH_TRUST_SIGNER_MISSING" });
    assert.equal(world.current.charter.number, 1);
    assert.deepEqual(world.steps, []);
  });
});
