import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { test } from "node:test";
import type { Charter, SignedCharter } from "../../src/mesh/charter.ts";
import { MeshError } from "../../src/mesh/errors.ts";
import { parseMemberName, parseMeshDomain } from "../../src/mesh/ids.ts";
import { bundleOf } from "../../src/trust/bundle.ts";
import { judgeCharter, signCharter, verifyCharter } from "../../src/trust/charter.ts";
import { encodeCharter, parseCharter } from "../../src/trust/charter-codec.ts";
import { withMember, withStanding } from "../../src/trust/charter-edit.ts";
import { formatCharterFile, parseCharterFile } from "../../src/trust/charter-file.ts";
import { east, madeMesh, madeRoot, memberEntry, mesh, nowMs, west } from "./made.ts";

const made = await madeMesh();
const { charter, signed } = made.charter;
const trusted = { mesh, bundle: made.bundle };

/** The message of the refusal. */
function refused(use: () => unknown): string {
  try {
    use();
  } catch (thrown) {
    assert.ok(thrown instanceof MeshError, String(thrown));
    assert.equal(thrown.code, "MESH_TRUST_CHARTER_REFUSED");
    return thrown.message;
  }
  return assert.fail("it was taken");
}

async function numbered(number: number, change: Partial<Charter> = {}): Promise<SignedCharter> {
  return (await signCharter({ ...charter, ...change, number }, made.root.signer)).signed;
}

test("verifyCharter() gives what signCharter() signed", () => {
  assert.deepEqual(verifyCharter(signed, trusted).charter, charter);
});

test("verifyCharter() refuses changed bytes, another key, an unknown root and another mesh", async () => {
  const { certificate, signer } = await madeRoot();
  const stranger = bundleOf([certificate.der]);
  const forged = { ...signed, signature: await signer.sign(signed.bytes) };
  const bytes = Buffer.from(signed.bytes);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  for (const [offered, trust] of [
    [{ ...signed, bytes }, trusted],
    [forged, trusted],
    [signed, { mesh, bundle: stranger }],
    [signed, { mesh: parseMeshDomain("other.mesh"), bundle: made.bundle }],
    [{ ...signed, signer: signer.keyId }, trusted],
  ] as const) {
    refused(() => verifyCharter(offered, trust));
  }
});

test("verifyCharter() refuses a root's signature that was not made for a charter", () => {
  const signature = sign("sha256", signed.bytes, made.root.key);
  refused(() => verifyCharter({ ...signed, signature }, trusted));
});

test("judgeCharter() replaces a lower number only", async () => {
  const current = made.charter;
  const newer = judgeCharter(await numbered(2), current);
  assert.ok(newer.t === "newer");
  assert.equal(newer.charter.charter.number, 2);
  assert.deepEqual(judgeCharter(signed, current), { t: "known" });
  assert.deepEqual(judgeCharter(signed, newer.charter), { t: "known" });
});

test("judgeCharter() reports two charters of one number", async () => {
  const other = await numbered(1, { timeMs: nowMs + 1 });
  assert.deepEqual(judgeCharter(other, made.charter), { t: "conflict", number: 1 });
});

test("judgeCharter() refuses what no present root signed and follows a rotation of the root", async () => {
  const next = await madeRoot();
  const bundle = [made.root, next].map((one) => one.certificate.der.toString("base64"));
  const both = judgeCharter(await numbered(2, { bundle }), made.charter);
  assert.ok(both.t === "newer");
  const last = { ...charter, number: 3, bundle: bundle.slice(1) };
  const third = (await signCharter(last, next.signer)).signed;
  assert.equal(judgeCharter(third, made.charter).t, "refused");
  assert.equal(judgeCharter(third, both.charter).t, "newer");
});

const entry = memberEntry(east, made.east);
const text = (change: object): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ ...charter, ...change }));
const withEntry = (change: object): Uint8Array => text({ members: [{ ...entry, ...change }] });

const hostile: readonly [claim: string, bytes: Uint8Array][] = [
  ["nothing", Buffer.alloc(0)],
  ["junk", Buffer.from("junk")],
  ["a number", Buffer.from("1")],
  ["null", Buffer.from("null")],
  ["a list", Buffer.from("[]")],
  ["broken UTF-8", Buffer.concat([Buffer.of(0xff), Buffer.from(encodeCharter(charter))])],
  ["3 MiB", Buffer.alloc(3 * 1024 * 1024, 0x20)],
  ["deep nesting", Buffer.from(`{"schema":1,"x":${"[".repeat(100_000)}`)],
  ["fields of a prototype", Buffer.from('{"__proto__":{"schema":1}}')],
  ["another schema", text({ schema: 2 })],
  ["number 0", text({ number: 0 })],
  ["a fraction as number", text({ number: 1.5 })],
  ["a number beyond safe integers", text({ number: 2 ** 60 })],
  ["text as number", text({ number: "1" })],
  ["no members", text({ members: undefined })],
  ["an object as members", text({ members: {} })],
  ["2,001 members", text({ members: Array.from({ length: 2001 }, () => entry) })],
  ["one member twice", text({ members: [entry, { ...entry, issuers: [] }] })],
  ["one issuer twice", text({ members: [entry, { ...entry, name: "west" }] })],
  ["a member that is null", text({ members: [null] })],
  ["a member named as a subdomain", withEntry({ name: "a.east" })],
  ["a member in upper case", withEntry({ name: "East" })],
  ["a region with a newline", withEntry({ region: "a\nb" })],
  ["an empty cloud", withEntry({ cloud: "" })],
  ["a range that is no CIDR", withEntry({ gatewayRanges: ["10.0.0.0/33"] })],
  ["a namespace that is none", withEntry({ mayExport: ["a/b"] })],
  ["an issuer that is no digest", withEntry({ issuers: ["abc"] })],
  [
    "17 issuers",
    withEntry({ issuers: Array.from({ length: 17 }, (_, i) => `${i}`.padStart(64, "0")) }),
  ],
  ["an unknown state", withEntry({ state: "asleep" })],
  ["an empty bundle", text({ bundle: [] })],
  ["an unknown rotation step", text({ rotationStep: "later" })],
  ["an operator that is no SPIFFE ID", text({ operators: ["root"] })],
  ["an operator of another mesh", text({ operators: ["spiffe://a.b/isthmus/operator/eve"] })],
];

for (const [claim, bytes] of hostile) {
  test(`parseCharter() refuses ${claim}`, () => {
    refused(() => parseCharter(bytes));
  });
}

test("parseCharter() leaves out what a later writer may add", () => {
  assert.deepEqual(parseCharter(text({ motto: "e pluribus" })), charter);
});

test("verifyCharter() refuses a signed charter whose bundle holds an issuer", async () => {
  const bundle = [made.east.certificate.der.toString("base64")];
  const bytes = encodeCharter({ ...charter, bundle });
  const part = Buffer.concat([Buffer.from("isthmus charter 1\n"), bytes]);
  const signature = sign("sha256", part, made.root.key);
  assert.match(
    refused(() => verifyCharter({ ...signed, bytes, signature }, trusted)),
    /bundle/,
  );
});

test("parseCharterFile() gives back the exact bytes that formatCharterFile() was given", () => {
  const bytes = new TextEncoder().encode('{ "odd" :\t"spacing \\u00e9 é \\"quoted\\"" }\n');
  assert.deepEqual(parseCharterFile(formatCharterFile({ ...signed, bytes })), {
    ...signed,
    bytes,
    signature: Buffer.from(signed.signature),
  });
  assert.equal(
    verifyCharter(parseCharterFile(formatCharterFile(signed)), trusted).charter.number,
    1,
  );
});

test("parseCharterFile() refuses what is no such file", () => {
  for (const text of ["", "[]", "null", "{}", '{"format":2}', '{"format":1,"charter":1}']) {
    refused(() => parseCharterFile(text));
  }
});

const north = parseMemberName("north");
const claims = { ...memberEntry(north, made.east) };
const added = {
  claims,
  issuerSpkiSha256: "a".repeat(64),
  issuerEndsMs: nowMs + 86_400_000,
  renew: false,
  nowMs,
};

test("withMember() adds a member under the next number", () => {
  const next = withMember(charter, added);
  assert.equal(next.number, 2);
  assert.deepEqual(
    next.members.map((one) => one.name),
    [east, west, north],
  );
  assert.deepEqual(next.members.at(-1)?.issuers, ["a".repeat(64)]);
});

test("withMember() refuses a taken name, and a renewal of nobody", () => {
  const taken = { ...added, claims: memberEntry(east, made.east) };
  assert.throws(() => withMember(charter, taken), { code: "MESH_TRUST_ISSUE_REFUSED" });
  const nobody = { ...added, renew: true };
  assert.throws(() => withMember(charter, nobody), { code: "MESH_TRUST_ISSUE_REFUSED" });
});

test("withMember() keeps the earlier issuers of a member that it renews, up to 16", () => {
  let next: Charter = withMember(charter, added);
  for (let round = 0; round < 20; round += 1) {
    const issuerSpkiSha256 = `${round}`.padStart(64, "b");
    next = withMember(next, { ...added, renew: true, issuerSpkiSha256 });
  }
  const issuers = next.members.find((one) => one.name === north)?.issuers;
  assert.equal(issuers?.length, 16);
  assert.equal(issuers?.at(-1), "19".padStart(64, "b"));
});

test("withStanding() denies a member, which then gets no issuer any more", () => {
  const denied = withStanding(charter, { name: east, state: "denied", nowMs });
  assert.equal(denied.members.find((one) => one.name === east)?.state, "denied");
  const again = { ...added, claims: memberEntry(east, made.east), renew: true };
  assert.throws(() => withMember(denied, again), { code: "MESH_TRUST_ISSUE_REFUSED" });
  assert.throws(() => withStanding(charter, { name: north, state: "denied", nowMs }), {
    code: "MESH_NOT_FOUND",
  });
});

test("withMember() gives a denied member's name to another one when its last issuer has ended, not before", () => {
  const first = withMember(charter, added);
  const denied = withStanding(first, { name: north, state: "denied", nowMs });
  const other = { ...added, issuerSpkiSha256: "b".repeat(64) };
  assert.throws(() => withMember(denied, other), {
    code: "MESH_TRUST_ISSUE_REFUSED",
    message: /free when its issuers end/,
  });
  const later = withMember(denied, { ...other, nowMs: added.issuerEndsMs + 1 });
  const entry = later.members.find((one) => one.name === north);
  assert.deepEqual([entry?.state, entry?.issuers], ["active", ["b".repeat(64)]]);
  // The signers of old charters did not write down when issuers end.
  const unknown = withStanding(charter, { name: east, state: "denied", nowMs });
  const east2 = { ...other, claims: memberEntry(east, made.east), nowMs: nowMs + 1e12 };
  assert.throws(() => withMember(unknown, east2), { code: "MESH_TRUST_ISSUE_REFUSED" });
});

test("a charter tells when the last issuer of a member ends, also after a shorter renewal", () => {
  const first = withMember(charter, added);
  const shorter = { ...added, renew: true, issuerSpkiSha256: "b".repeat(64), issuerEndsMs: nowMs };
  const read = parseCharter(encodeCharter(withMember(first, shorter)));
  const entry = read.members.find((one) => one.name === north);
  assert.equal(entry?.issuersEndMs, added.issuerEndsMs);
});
