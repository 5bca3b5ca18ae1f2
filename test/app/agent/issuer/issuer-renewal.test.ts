import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { RequestIssuer } from "../../../../src/app/agent/issuer/ask-for-issuer.ts";
import { issuerFindings } from "../../../../src/app/agent/issuer/issuer-findings.ts";
import { watchIssuerFolder } from "../../../../src/app/agent/issuer/issuer-folder.ts";
import { keepIssuer } from "../../../../src/app/agent/issuer/issuer-renewal.ts";
import type { SignedCharter } from "../../../../src/mesh/charter.ts";
import { trustDomainOf } from "../../../../src/mesh/ids.ts";
import { judgeCharter, signCharter, type TrustedCharter } from "../../../../src/trust/charter.ts";
import { formatCharterFile } from "../../../../src/trust/charter-file.ts";
import { parseCsr } from "../../../../src/trust/csr.ts";
import { loadIssuer } from "../../../../src/trust/io/issuer-files.ts";
import { holdIssuer, type MemberIssuer } from "../../../../src/trust/io/member-issuer.ts";
import { saveFile } from "../../../../src/trust/io/safe-files.ts";
import { issueIntermediate } from "../../../../src/trust/issue.ts";
import { privateKeyPemOf } from "../../../../src/trust/keys.ts";
import { toPem } from "../../../../src/trust/pem.ts";
import {
  east,
  type MadeAuthority,
  madeMember,
  madeMesh,
  mesh,
  nowMs,
} from "../../../trust/made.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const dayMs = 86_400_000;

interface Member {
  readonly dir: string;
  readonly issuer: MemberIssuer;
  readonly charter: () => TrustedCharter;
  readonly take: (signed: SignedCharter) => Promise<void>;
  /** The root's owner: lists the key in a new charter, and certifies it. */
  readonly admit: RequestIssuer;
  readonly clock: { nowMs: () => number; monotonicMs: () => number };
  /** Moves the clock instead of waiting. */
  readonly sleep: (ms: number) => Promise<void>;
}

const made = await madeMesh();

async function member(t: TestContext): Promise<Member> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-issuer-"));
  t.after(() => rm(dir, { recursive: true }));
  let charter = made.charter;
  let atMs = nowMs;
  const clock = { nowMs: () => atMs, monotonicMs: () => atMs };
  await write(dir, made.east, charter);
  const trustDomain = trustDomainOf(east, mesh);
  const first = await loadIssuer(dir);
  return {
    dir,
    issuer: holdIssuer({ dir, first, trustDomain, charter: () => charter, clock }),
    charter: () => charter,
    take: async (signed) => {
      const verdict = judgeCharter(signed, charter);
      if (verdict.t === "newer") charter = verdict.charter;
    },
    admit: async (csr) => {
      const { spki, spkiSha256 } = parseCsr(csr);
      const { signed } = await listing(charter, spkiSha256);
      const options = { root: made.root, member: east, mesh, spki, nowMs: atMs };
      const certificate = await issueIntermediate(options);
      return { chain: [certificate.der], bundle: [made.root.certificate.der], charter: signed };
    },
    clock,
    sleep: async (ms) => {
      atMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function write(dir: string, issuer: MadeAuthority, charter: TrustedCharter): Promise<void> {
  await saveFile(join(dir, "bundle.pem"), charter.bundle.pem);
  await saveFile(join(dir, "charter.json"), formatCharterFile(charter.signed));
  await saveFile(join(dir, "member.key"), privateKeyPemOf(issuer.key));
  await saveFile(join(dir, "member.pem"), toPem("CERTIFICATE", issuer.certificate.der));
}

async function listing({ charter }: TrustedCharter, keyId: string): Promise<TrustedCharter> {
  const members = charter.members.map((one) =>
    one.name === east ? { ...one, issuers: [...new Set([...one.issuers, keyId])] } : one,
  );
  return await signCharter({ ...charter, members, number: charter.number + 1 }, made.root.signer);
}

test("keepIssuer() has the next issuer certified at half life, in use and on disk, through failures", async (t) => {
  const here = await member(t);
  const before = here.issuer.current();
  let asked = 0;
  const keys = new Set<string>();
  const changed = new Promise<void>((resolve) => {
    here.issuer.onChange(() => resolve());
  });
  await using _renewal = keepIssuer({
    ...here,
    subject: east,
    takeCharter: here.take,
    request: async (csr) => {
      asked += 1;
      keys.add(parseCsr(csr).spkiSha256);
      if (asked < 4) throw new Error("the root is away");
      return await here.admit(csr);
    },
    random: () => 0.5,
    log: quiet,
  });
  await changed;
  const { notBeforeMs, notAfterMs } = before.certificate;
  const half = (notBeforeMs + notAfterMs) / 2;
  assert.ok(here.clock.nowMs() >= half && here.clock.nowMs() < half + dayMs);
  // An answer that was lost must not have listed an issuer that nobody holds.
  assert.equal(keys.size, 1);
  const after = here.issuer.current();
  assert.notEqual(after.signer.keyId, before.signer.keyId);
  assert.equal((await loadIssuer(here.dir)).signer.keyId, after.signer.keyId);
});

test("renewNow() does not wait for half life", async (t) => {
  const here = await member(t);
  const changed = new Promise<void>((resolve) => {
    here.issuer.onChange(() => resolve());
  });
  await using renewal = keepIssuer({
    ...here,
    subject: east,
    takeCharter: here.take,
    request: here.admit,
    random: () => 0.5,
    log: quiet,
    // Never woken by the clock.
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      }),
  });
  let changes = 0;
  here.issuer.onChange(() => {
    changes += 1;
  });
  // Whoever wants it asks until it is there.
  for (let time = 0; time < 3; time += 1) renewal.renewNow("another root certifies");
  await changed;
  renewal.renewNow("another root certifies");
  assert.equal(here.clock.nowMs(), nowMs);
  assert.equal(changes, 1);
});

test("issuerFindings() speak from half life on, and where it renews by itself only when that is late", () => {
  const issuer = { notBeforeMs: 0, notAfterMs: 1000 * dayMs };
  const at = (day: number, isRenewed: boolean): string | undefined =>
    issuerFindings(issuer, { subject: east, nowMs: day * dayMs, isRenewed })[0]?.severity;
  assert.deepEqual(
    [at(499, false), at(500, false), at(901, false)],
    [undefined, "warning", "error"],
  );
  assert.deepEqual([at(569, true), at(571, true), at(901, true)], [undefined, "warning", "error"]);
});

test("look() takes over an issuer that somebody copied into the folder, with its charter", async (t) => {
  const here = await member(t);
  const next = await madeMember(made.root, { member: east });
  const charter = await listing(here.charter(), next.signer.keyId);
  const folder = watchIssuerFolder({ ...here, takeCharter: here.take, log: quiet });
  await folder.look();
  assert.equal(here.issuer.current().signer.keyId, made.east.signer.keyId);
  // Copied one after the other: half of it is told, and not used.
  await saveFile(join(here.dir, "member.pem"), toPem("CERTIFICATE", next.certificate.der));
  await folder.look();
  assert.deepEqual(
    folder.findings().map(({ code }) => code),
    ["TRUST_ISSUER_UNUSABLE"],
  );
  assert.equal(here.issuer.current().signer.keyId, made.east.signer.keyId);
  await write(here.dir, next, charter);
  await folder.look();
  assert.deepEqual(folder.findings(), []);
  assert.equal(here.issuer.current().signer.keyId, next.signer.keyId);
  assert.equal(here.charter().charter.number, charter.charter.number);
});
