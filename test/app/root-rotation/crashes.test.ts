// Rotations whose coordinator dies anywhere, with members that learn of charters late or not at all. What has to hold
// at each moment is asked at each moment.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type RotationStep, takeStep } from "../../../src/app/root-rotation/rotate-root.ts";
import type { SignedCharter } from "../../../src/mesh/charter.ts";
import { charterMember } from "../../../src/mesh/charter.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import {
  infrastructureSpiffeId,
  type MemberName,
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import { judgeCharter, signCharter, type TrustedCharter } from "../../../src/trust/charter.ts";
import { withMember } from "../../../src/trust/charter-edit.ts";
import { loadCharterOf, loadRoot } from "../../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { openRootSigner } from "../../../src/trust/io/root-keys.ts";
import { initTrust } from "../../../src/trust/io/trust-files.ts";
import { type Issuer, issueIntermediate, issueSvid } from "../../../src/trust/issue.ts";
import { spkiOf } from "../../../src/trust/keys.ts";
import {
  charterSignerOf,
  issuerOutdated,
  issuingRootOf,
  rootAbove,
  shownIssuer,
} from "../../../src/trust/root-rotation/issuing-root.ts";
import { judgeReadiness } from "../../../src/trust/root-rotation/readiness.ts";
import { signerOf } from "../../../src/trust/signer.ts";
import { verifyPath } from "../../../src/trust/verify.ts";
import { seededRandom } from "../../trust/mutations.ts";

const mesh = parseMeshDomain("acme.mesh");
const names = ["east", "west", "south"].map(parseMemberName);
const startMs = Date.UTC(2026, 10, 21, 12);

interface Member {
  readonly name: MemberName;
  charter: TrustedCharter;
  issuer: Issuer;
  isAway: boolean;
}

class Crash extends Error {}

/** A mesh whose charters lie in one place; `crashAt` kills the coordinator around its next word to that place. */
class World {
  readonly dir: string;
  readonly members: Member[] = [];
  nowMs: number = startMs;
  crashAt: "before" | "after" | undefined;
  /** What every number stood for. */
  readonly #digests = new Map<number, string>();
  #newest: TrustedCharter;

  constructor(dir: string, newest: TrustedCharter) {
    this.dir = dir;
    this.#newest = newest;
  }

  get newest(): TrustedCharter {
    return this.#newest;
  }

  hand(signed: SignedCharter): void {
    const verdict = judgeCharter(signed, this.#newest);
    if (verdict.t === "newer") {
      const { charter, bundle } = verdict.charter;
      assert.equal(this.#digests.get(charter.number), undefined, "a number stands for one charter");
      this.#digests.set(charter.number, bundle.digest);
      this.#newest = verdict.charter;
    } else if (verdict.t !== "known" || !isSame(signed, this.#newest.signed)) {
      throw new MeshError("MESH_TRUST_CHARTER_CONFLICT", `Cannot use charter: ${verdict.t}`);
    }
  }

  async step(step: RotationStep): Promise<void> {
    await takeStep(
      {
        dir: this.dir,
        key: { t: "file", file: join(this.dir, "root.key") },
        nowMs: () => this.nowMs,
        agent: {
          newest: () => Promise.resolve(this.#newest.signed),
          hand: (signed) => {
            const { crashAt } = this;
            const isNews = !isSame(signed, this.#newest.signed);
            if (isNews) this.crashAt = undefined;
            if (isNews && crashAt === "before") throw new Crash("before");
            this.hand(signed);
            if (isNews && crashAt === "after") throw new Crash("after");
            return Promise.resolve();
          },
        },
      },
      step,
    );
  }

  /** As an agent that may use the root does. */
  async issuer(name: MemberName): Promise<Issuer> {
    const { charter, bundle } = this.#newest;
    const issuing = issuingRootOf(charter);
    const key = { t: "file", file: join(this.dir, "root.key") } as const;
    const isAny = (keyId: string): boolean => bundle.roots.some((one) => one.spkiSha256 === keyId);
    const isWanted = (one: string | undefined) => (keyId: string) =>
      one === undefined ? isAny(keyId) : keyId === one;
    const root = await openRootSigner(key, isWanted(issuing?.spkiSha256));
    const certificate = bundle.roots.find(({ spkiSha256 }) => spkiSha256 === root.keyId);
    assert.ok(certificate, "the root that issues is in the bundle");
    const signer = signerOf(newPrivateKey());
    const made = await issueIntermediate({
      root: { certificate, signer: root },
      member: name,
      mesh,
      spki: spkiOf(signer.publicKey),
      nowMs: this.nowMs,
    });
    assert.ok(made.notAfterMs <= certificate.notAfterMs);
    const claims = {
      name,
      cloud: "aws",
      region: name,
      network: parseNetworkName(name),
      gatewayRanges: [],
      mayExport: [],
    };
    const edited = withMember(charter, {
      claims,
      issuerSpkiSha256: signer.keyId,
      issuerEndsMs: made.notAfterMs,
      renew: charterMember(charter, name) !== undefined,
      nowMs: this.nowMs,
    });
    const charterSigner = await openRootSigner(key, isWanted(charterSignerOf(edited)));
    this.hand((await signCharter(edited, charterSigner)).signed);
    return { certificate: made, signer, above: issuing?.above ?? [] };
  }

  /** A member looks at what is published, unless it is away, and follows. */
  async follow(member: Member): Promise<void> {
    if (member.isAway) return;
    const verdict = judgeCharter(this.#newest.signed, member.charter);
    assert.notEqual(verdict.t, "refused", `${member.name} has ${member.charter.charter.number}`);
    if (verdict.t === "newer") member.charter = verdict.charter;
    const { charter, bundle } = member.charter;
    const reason = issuerOutdated(member.issuer, { charter, roots: bundle.roots });
    if (reason !== undefined) member.issuer = await this.issuer(member.name);
  }

  isReady(): boolean {
    const { charter, bundle } = this.#newest;
    return judgeReadiness({
      charter,
      bundleDigest: bundle.digest,
      wordOf: (name) => {
        const member = this.members.find((one) => one.name === name);
        assert.ok(member);
        const { roots, digest } = member.charter.bundle;
        return {
          isLive: !member.isAway,
          charter: member.charter.charter.number,
          bundleDigest: digest,
          issuerRoot: rootAbove(member.issuer, roots)?.spkiSha256,
          proxies: { connected: 1, acknowledged: 1, silent: 0, old: 0, late: [] },
        };
      },
    }).isReady;
  }

  /** Whoever is not waived is believed by everybody who is not. */
  async checkPairs(): Promise<void> {
    const waived = new Set(this.#newest.charter.rotation?.waived ?? []);
    const counted = this.members.filter(({ name }) => !waived.has(name));
    for (const one of counted) {
      const { charter, bundle } = one.charter;
      const issuer = shownIssuer(one.issuer, { charter, roots: bundle.roots });
      const id = infrastructureSpiffeId(trustDomainOf(one.name, mesh), "gateway");
      const spki = spkiOf(newPrivateKey());
      const leaf = await issueSvid({ issuer, id, spki, nowMs: this.nowMs });
      const chain = [leaf, issuer.certificate, ...(issuer.above ?? [])];
      for (const reader of counted) {
        const verdict = verifyPath(chain, {
          roots: reader.charter.bundle.roots,
          atMs: this.nowMs,
        });
        assert.equal(
          verdict.t,
          "ok",
          `${reader.name} at ${reader.charter.charter.number} refuses ${one.name} at ${charter.number}`,
        );
      }
    }
  }
}

function isSame(a: SignedCharter, b: SignedCharter): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

async function openWorld(stack: AsyncDisposableStack): Promise<World> {
  const parent = await mkdtemp(join(tmpdir(), "isthmus-rotation-"));
  stack.defer(() => rm(parent, { recursive: true }));
  const dir = join(parent, "root");
  await initTrust({ dir, mesh, nowMs: startMs - 86_400_000 });
  const world = new World(dir, await loadCharterOf(dir));
  for (const name of names) {
    const issuer = await world.issuer(name);
    world.members.push({ name, charter: world.newest, issuer, isAway: false });
  }
  for (const member of world.members) await world.follow(member);
  return world;
}

/** Until it is through, whatever the first try met. */
async function surely(world: World, step: RotationStep): Promise<void> {
  try {
    await world.step(step);
  } catch (thrown) {
    if (!(thrown instanceof Crash)) throw thrown;
    await world.step(step);
  }
}

const crashes = [undefined, "before", "after"] as const;

test("a rotation that dies around any of its words goes on and leaves one root", async () => {
  const steps: readonly RotationStep[] = [
    { t: "start" },
    { t: "activate" },
    { t: "drain" },
    { t: "retire", isEmergency: false },
    { t: "end" },
  ];
  for (const dying of steps) {
    for (const crashAt of ["before", "after"] as const) {
      await using stack = new AsyncDisposableStack();
      const world = await openWorld(stack);
      const { root: first } = await loadRoot(world.dir);
      for (const step of steps) {
        if (step === dying) world.crashAt = crashAt;
        await surely(world, step);
        // Given once more, nothing is done twice.
        const { number } = world.newest.charter;
        await world.step(step);
        assert.equal(world.newest.charter.number, number, step.t);
        for (const member of world.members) await world.follow(member);
        await world.checkPairs();
      }
      const { root, charter } = await loadRoot(world.dir);
      assert.notEqual(root.signer.keyId, first.signer.keyId);
      assert.equal(charter.charter.bundle.length, 1);
      assert.ok(!(await readdir(world.dir)).some((name) => name.includes("next")));
    }
  }
});

test("a key that took the old one's place without its certificate is settled by the next call", async () => {
  await using stack = new AsyncDisposableStack();
  const world = await openWorld(stack);
  for (const t of ["start", "activate", "drain"] as const) await world.step({ t });
  for (const member of world.members) await world.follow(member);
  await world.step({ t: "retire", isEmergency: false });
  // The charter that ends it counts, and the coordinator dies between its two files.
  world.crashAt = "after";
  await assert.rejects(world.step({ t: "end" }), Crash);
  await rename(join(world.dir, "root.next.key"), join(world.dir, "root.key"));
  await world.step({ t: "end" });
  const { root, bundle } = await loadRoot(world.dir);
  assert.deepEqual(
    bundle.roots.map(({ spkiSha256 }) => spkiSha256),
    [root.signer.keyId],
  );
});

for (let seed = 1; seed <= 12; seed += 1) {
  test(`whoever is not waived is believed by everybody else at every moment (${seed})`, async () => {
    const random = seededRandom(seed);
    await using stack = new AsyncDisposableStack();
    const world = await openWorld(stack);
    for (let tick = 0; tick < 60; tick += 1) {
      world.nowMs += Math.floor(random() * 60_000);
      const member = world.members[Math.floor(random() * world.members.length)];
      assert.ok(member);
      if (random() < 0.15) member.isAway = !member.isAway;
      await world.follow(member);
      world.crashAt = crashes[Math.floor(random() * crashes.length)];
      const { rotationStep: now } = world.newest.charter;
      const mayRetire = now === "draining" && world.isReady();
      const mayEnd = now === "retiring" && world.isReady();
      if (now === "idle") await surely(world, { t: "start" });
      else if (random() < 0.1 && now !== "retiring") await surely(world, { t: "abort" });
      else if (now === "publishing") await surely(world, { t: "activate" });
      else if (now === "activating") await surely(world, { t: "drain" });
      else if (mayRetire) await surely(world, { t: "retire", isEmergency: false });
      else if (mayEnd) {
        await surely(world, { t: "end" });
      }
      await world.checkPairs();
    }
    world.crashAt = undefined;
    // All come back, and it ends.
    for (let round = 0; world.newest.charter.rotation !== undefined; round += 1) {
      assert.ok(round < 10, "it never ends");
      for (const member of world.members) {
        member.isAway = false;
        await world.follow(member);
      }
      for (const member of world.members) await world.follow(member);
      const { rotationStep: now } = world.newest.charter;
      if (now === "publishing") await world.step({ t: "activate" });
      else if (now === "activating") await world.step({ t: "drain" });
      else if (world.isReady()) {
        await world.step(now === "draining" ? { t: "retire", isEmergency: false } : { t: "end" });
      }
      await world.checkPairs();
    }
    assert.equal(world.newest.bundle.roots.length, 1);
  });
}
