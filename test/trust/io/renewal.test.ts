import assert from "node:assert/strict";
import { test } from "node:test";
import { holderOf } from "../../../src/mesh/holder.ts";
import { parseSpiffeId, type SpiffeId, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Identity, Log } from "../../../src/mesh/ports.ts";
import { parseCsr } from "../../../src/trust/csr.ts";
import { identityOf } from "../../../src/trust/identity.ts";
import { createAgentIdentities } from "../../../src/trust/io/agent-identities.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import type { Renewal, RequestSvid } from "../../../src/trust/io/renewal.ts";
import { holdIdentity, renewIdentity } from "../../../src/trust/io/renewal.ts";
import { type Issuer, issueSvid } from "../../../src/trust/issue.ts";
import { spkiOf } from "../../../src/trust/keys.ts";
import { createVerifier } from "../../../src/trust/verifier.ts";
import { cartId, east, madeMesh, mesh, nowMs, westCartId, wishedLeaf } from "../made.ts";

const made = await madeMesh();
const halfDayMs = 43_200_000;

interface World extends Pick<Renewal, "clock" | "log" | "random" | "signal" | "sleep"> {
  readonly lines: readonly string[];
  readonly atMs: () => number;
  readonly stop: () => void;
}

/** Whoever sleeps here moves the clock, so a day passes at once; it ends after two days at the latest. */
function world(): World {
  let atMs = nowMs;
  const stop = new AbortController();
  const lines: string[] = [];
  const write = (_fields: object, message: string): void => void lines.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  return {
    clock: { nowMs: () => atMs, monotonicMs: () => atMs },
    log,
    random: () => 0.5,
    signal: stop.signal,
    sleep: async (ms) => {
      atMs += ms;
      if (atMs > nowMs + 4 * halfDayMs) stop.abort();
    },
    lines,
    atMs: () => atMs,
    stop: () => stop.abort(),
  };
}

async function answer(
  spki: Uint8Array,
  options: { readonly atMs?: number; readonly id?: SpiffeId } = {},
): ReturnType<RequestSvid> {
  const { id = cartId, atMs = nowMs } = options;
  const issuer = id === westCartId ? made.west : made.east;
  const leaf = await issueSvid({ issuer, id, spki, nowMs: atMs });
  return {
    chainDer: [leaf.der, issuer.certificate.der],
    bundleDer: [made.root.certificate.der],
  };
}

async function firstIdentity(): Promise<Identity> {
  const key = newPrivateKey();
  return identityOf(key, await answer(spkiOf(key)));
}

test("renewIdentity() replaces the identity at half life with a fresh key and saves it first", async () => {
  const here = world();
  const holder = holdIdentity(await firstIdentity());
  const before = holder.current();
  const saved: Identity[] = [];
  holder.onChange((identity) => {
    assert.deepEqual(saved, [identity]);
    here.stop();
  });
  await renewIdentity({
    ...here,
    holder,
    requestSvid: async (csr) => await answer(parseCsr(csr).spki, { atMs: here.atMs() }),
    save: async (identity) => void saved.push(identity),
  });
  const lifeMs = before.notAfterMs - before.notBeforeMs;
  assert.equal(here.atMs(), before.notBeforeMs + lifeMs / 2);
  assert.notEqual(holder.current().privateKeyPem.reveal(), before.privateKeyPem.reveal());
  assert.deepEqual(here.lines, ["SVID renewed"]);
});

test("renewIdentity() keeps the old identity through an absent agent and wrong answers", async () => {
  const here = world();
  const holder = holdIdentity(await firstIdentity());
  const before = holder.current();
  holder.onChange(here.stop);
  const answers: RequestSvid[] = [
    () => Promise.reject(new Error("agent is away")),
    async (csr) => await answer(parseCsr(csr).spki, { id: westCartId }),
    async () => await answer(spkiOf(newPrivateKey())),
    async (csr) => await answer(parseCsr(csr).spki, { atMs: here.atMs() }),
  ];
  const askedAtMs: number[] = [];
  await renewIdentity({
    ...here,
    holder,
    requestSvid: async (csr) => {
      assert.equal(holder.current(), before);
      askedAtMs.push(here.atMs());
      return await (answers.shift() ?? assert.fail("asked too often"))(csr);
    },
  });
  const failed = "SVID renewal failed";
  assert.deepEqual(here.lines, [failed, failed, failed, "SVID renewed"]);
  const pausesMs = askedAtMs.slice(1).map((atMs, index) => atMs - (askedAtMs[index] ?? 0));
  assert.deepEqual(pausesMs, [750, 1500, 3000]);
  assert.notEqual(holder.current(), before);
});

test("renewIdentity() uses an identity that could not be saved, and says so", async () => {
  const here = world();
  const holder = holdIdentity(await firstIdentity());
  const before = holder.current();
  holder.onChange(here.stop);
  await renewIdentity({
    ...here,
    holder,
    requestSvid: async (csr) => await answer(parseCsr(csr).spki, { atMs: here.atMs() }),
    save: () => Promise.reject(new Error("disk full")),
  });
  assert.notEqual(holder.current(), before);
  assert.deepEqual(here.lines, ["SVID could not be saved", "SVID renewed"]);
});

test("renewIdentity() renews short lives at half of what is left, and never more than once a second", async () => {
  const here = world();
  const holder = holdIdentity(await firstIdentity());
  const first = holder.current();
  const lives = [60_000, 60_000, 1000, 1000];
  const askedAtMs: number[] = [];
  await renewIdentity({
    ...here,
    holder,
    requestSvid: async (csr) => {
      askedAtMs.push(here.atMs());
      if (askedAtMs.length === lives.length) here.stop();
      // Backdated by a quarter of an hour, as all are.
      const { spki } = parseCsr(csr);
      const lifeMs = lives[askedAtMs.length - 1] ?? 0;
      const validity = { notBeforeMs: here.atMs() - 900_000, notAfterMs: here.atMs() + lifeMs };
      const leaf = await wishedLeaf({ issuer: made.east, spki, ...validity });
      return {
        chainDer: [leaf.der, made.east.certificate.der],
        bundleDer: [made.root.certificate.der],
      };
    },
  });
  assert.notEqual(holder.current(), first);
  const pausesMs = askedAtMs.slice(1).map((atMs, index) => atMs - (askedAtMs[index] ?? 0));
  assert.deepEqual(pausesMs, [30_000, 30_000, 1000]);
});

test("renewIdentity() ends at once when aborted while it sleeps", async () => {
  const stop = new AbortController();
  const holder = holdIdentity(await firstIdentity());
  const { sleep: _virtual, ...here } = world();
  const ended = renewIdentity({
    ...here,
    holder,
    requestSvid: () => assert.fail("nothing is due"),
    signal: stop.signal,
  });
  stop.abort();
  await ended;
});

test("onChange() cancels its own listener only", async () => {
  const holder = holdIdentity(await firstIdentity());
  const seen: string[] = [];
  const cancel = holder.onChange(() => seen.push("first"));
  holder.onChange(() => seen.push("second"));
  cancel();
  holder.replace(holder.current());
  assert.deepEqual(seen, ["second"]);
});

test("createAgentIdentities() serves as agent, signs as catalog, and renews both in memory", async () => {
  const here = world();
  const trustDomain = trustDomainOf(east, mesh);
  const identities = await createAgentIdentities({
    ...here,
    issuer: holderOf<Issuer>(made.east),
    trustDomain,
    bundle: () => made.bundle,
  });
  const role = (name: string): SpiffeId => parseSpiffeId(`spiffe://${trustDomain}/isthmus/${name}`);
  assert.equal(identities.agent.current().id, role("agent"));
  const { verifySignature } = createVerifier({
    mesh,
    bundle: () => made.bundle,
    charter: () => made.charter.charter,
  });
  const signer = async (): Promise<string> => {
    const bytes = Buffer.from("head");
    const signature = await identities.sign(bytes);
    const verdict = verifySignature({ bytes, signature }, { nowMs: here.atMs() });
    assert.ok(verdict.t === "ok");
    assert.equal(verdict.peer.id, role("catalog"));
    return verdict.peer.leafSha256;
  };
  const before = await signer();
  const renewed = new Promise<void>((resolve) => {
    identities.catalog.onChange(() => resolve());
  });
  await renewed;
  assert.notEqual(await signer(), before);
  here.stop();
  await identities.done;
});
