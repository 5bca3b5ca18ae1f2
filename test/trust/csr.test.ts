import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { MeshError } from "../../src/mesh/errors.ts";
import { createCsr, parseCsr } from "../../src/trust/csr.ts";
import type { Der } from "../../src/trust/der.ts";
import {
  contextTag,
  der,
  oid,
  readDer,
  sequence,
  smallInteger,
  tag,
  wholeBits,
  writeDer,
} from "../../src/trust/der.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { spkiOf } from "../../src/trust/keys.ts";
import { oids } from "../../src/trust/oids.ts";

const key = newPrivateKey();
const limits = { maxBytes: 100_000, maxDepth: 64 };
const algorithm = sequence(oid(oids.ecdsaSha256));
const noAttributes = der(contextTag(0, "constructed"), []);

interface Wish {
  readonly signedBy?: KeyObject;
  readonly hash?: string;
  readonly version?: Der;
  readonly subject?: Der;
  readonly spki?: Der;
  readonly attributes?: Der;
  readonly more?: readonly Der[];
  readonly algorithm?: Der;
  readonly outer?: readonly Der[];
}

/** A CSR that says exactly this, signed rightly unless told otherwise. */
function wishedCsr(wish: Wish = {}): Buffer {
  const info = sequence(
    wish.version ?? smallInteger(0),
    wish.subject ?? sequence(),
    wish.spki ?? readDer(spkiOf(key), limits),
    wish.attributes ?? noAttributes,
    ...(wish.more ?? []),
  );
  const signature = sign(wish.hash ?? "sha256", writeDer(info), wish.signedBy ?? key);
  const parts = [info, wish.algorithm ?? algorithm, wholeBits(signature), ...(wish.outer ?? [])];
  return writeDer(sequence(...parts));
}

function refusal(bytes: Uint8Array): string {
  try {
    parseCsr(bytes);
    return "taken";
  } catch (thrown) {
    assert.ok(thrown instanceof MeshError, String(thrown));
    assert.equal(thrown.code, "MESH_TRUST_CSR_REFUSED");
    return thrown.message;
  }
}

test("parseCsr() gives the key that createCsr() proved", () => {
  assert.deepEqual(parseCsr(createCsr(key)).spki, spkiOf(key));
});

test("parseCsr() leaves subject and attributes unread", () => {
  const subject = sequence(der(tag.set, [sequence(oid(oids.commonName), der(tag.utf8, "root"))]));
  const wanted = sequence(oid("1.2.840.113549.1.9.14"), der(tag.set, [sequence()]));
  const attributes = der(contextTag(0, "constructed"), [wanted]);
  assert.deepEqual(parseCsr(wishedCsr({ subject, attributes })).spki, spkiOf(key));
});

const ec = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).privateKey;
const p384 = ec("P-384");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync("ed25519").privateKey;
const explicit = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  paramEncoding: "explicit",
}).privateKey;
const derOf = (of: KeyObject): Der => readDer(spkiOf(of), limits);
const good = createCsr(key);

const cases: readonly [claim: string, bytes: Uint8Array, reason: RegExp][] = [
  ["nothing", Buffer.alloc(0), /not DER/],
  ["junk", Buffer.from("junk"), /not DER/],
  ["a byte after the end", Buffer.concat([good, Buffer.of(0)]), /not DER/],
  ["a missing last byte", good.subarray(0, -1), /not DER/],
  [
    "a long-form length",
    Buffer.concat([Buffer.of(0x30, 0x82, 0, good.length - 3), good.subarray(3)]),
    /BER/,
  ],
  [
    "more than 8 KiB",
    wishedCsr({ subject: sequence(der(tag.octetString, "x".repeat(9000))) }),
    /at most 8192/,
  ],
  ["nesting without end", nested(5000), /not DER|at most/],
  ["nesting of 40", wishedCsr({ subject: nestedDer(40) }), /not DER/],
  ["another signer's signature", wishedCsr({ signedBy: newPrivateKey() }), /signature is wrong/],
  ["another hash than stated", wishedCsr({ hash: "sha384" }), /signature is wrong/],
  ["SHA-384", wishedCsr({ hash: "sha384", algorithm: sequence(oid(oids.ecdsaSha384)) }), /SHA-256/],
  [
    "NULL parameters of the algorithm",
    wishedCsr({ algorithm: sequence(oid(oids.ecdsaSha256), der(tag.null, "")) }),
    /ECDSA/,
  ],
  ["RSA's algorithm", wishedCsr({ algorithm: sequence(oid("1.2.840.113549.1.1.11")) }), /ECDSA/],
  ["version 2", wishedCsr({ version: smallInteger(1) }), /version/],
  ["no attributes element", wishedCsr({ attributes: sequence() }), /missing/],
  ["a field too many", wishedCsr({ more: [smallInteger(0)] }), /extra/],
  ["an outer field too many", wishedCsr({ outer: [smallInteger(0)] }), /extra/],
  ["a P-384 key", wishedCsr({ spki: derOf(p384), signedBy: p384 }), /P-256/],
  ["an RSA key", wishedCsr({ spki: derOf(rsa), signedBy: rsa }), /P-256/],
  ["an Ed25519 key", wishedCsr({ spki: derOf(ed25519), hash: "sha256", signedBy: key }), /P-256/],
  ["explicit curve parameters", wishedCsr({ spki: derOf(explicit), signedBy: explicit }), /P-256/],
  ["a compressed point", wishedCsr({ spki: compressed(), signedBy: key }), /P-256/],
  ["a point off the curve", wishedCsr({ spki: offCurve(), signedBy: key }), /curve/],
];

for (const [claim, bytes, reason] of cases) {
  test(`parseCsr() refuses ${claim}`, () => assert.match(refusal(bytes), reason));
}

function nested(depth: number): Buffer {
  let bytes = Buffer.alloc(0);
  for (let level = 0; level < Math.min(depth, 60); level += 1) {
    bytes = Buffer.concat([Buffer.of(0x30, bytes.length), bytes]);
  }
  return bytes;
}

function nestedDer(depth: number): Der {
  return depth === 0 ? sequence() : sequence(nestedDer(depth - 1));
}

function compressed(): Der {
  const spki = spkiOf(key);
  const point = Buffer.concat([Buffer.of(2), spki.subarray(27, 59)]);
  return sequence(sequence(oid(oids.ecPublicKey), oid("1.2.840.10045.3.1.7")), wholeBits(point));
}

function offCurve(): Der {
  const spki = Buffer.from(spkiOf(key));
  spki[90] = (spki[90] ?? 0) ^ 1;
  return readDer(spki, limits);
}
