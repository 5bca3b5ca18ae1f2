import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { parseCertificate } from "../../src/trust/certificate.ts";
import type { Der } from "../../src/trust/der.ts";
import {
  bigInteger,
  childrenOf,
  contextTag,
  der,
  isTrue,
  namedBits,
  namedBitsOf,
  octets,
  oid,
  readDer,
  sequence,
  smallInteger,
  tag,
  text,
  time,
  timeMsOf,
  writeDer,
} from "../../src/trust/der.ts";
import { spkiOf } from "../../src/trust/keys.ts";
import { oids } from "../../src/trust/oids.ts";
import { cartId, madeMesh, madeSvid, names, nowMs, wishedLeaf } from "./made.ts";

const made = await madeMesh();
const { leaf } = await madeSvid(made.east);
const limits = { maxBytes: 100_000, maxDepth: 64 };
const refusal = { code: "MESH_TRUST_DER_INVALID" };

/** The leaf with some fields of its signed part replaced; its signature is wrong then, which parsing does not ask. */
function edited(
  fields: Readonly<Record<number, Der | undefined>>,
  change?: (outer: Der[]) => Der[],
): Buffer {
  const [tbs, ...rest] = childrenOf(readDer(leaf.der, limits), tag.sequence);
  const parts = [...childrenOf(tbs, tag.sequence)].map((part, index) =>
    index in fields ? fields[index] : part,
  );
  const outer = [sequence(...parts.filter((part) => part !== undefined)), ...rest];
  return writeDer(sequence(...(change?.(outer) ?? outer)));
}

/** Field numbers of a signed part. */
const at = { version: 0, serial: 1, algorithm: 2, validity: 4, subject: 5, key: 6, extensions: 7 };
const algorithm384 = sequence(oid(oids.ecdsaSha384));
const spki = (namedCurve: string, paramEncoding: "named" | "explicit" = "named"): Der =>
  readDer(spkiOf(generateKeyPairSync("ec", { namedCurve, paramEncoding }).privateKey), limits);
const rsa = readDer(spkiOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey), limits);
const extensions = (...list: readonly Der[]): Der =>
  der(contextTag(3, "constructed"), [sequence(...list)]);
const extension = (id: string, ...rest: readonly Der[]): Der => sequence(oid(id), ...rest);
const validity = (from: Der, to: Der): Der => sequence(from, to);
const utc = (value: string): Der => text(tag.utcTime, value);

test("parseCertificate() reads what was issued", () => {
  assert.deepEqual(parseCertificate(edited({})), leaf);
  assert.equal(leaf.extensions.basicConstraints?.isCa, false);
  assert.deepEqual(leaf.extensions.subjectAltName?.names, [{ t: "uri", value: cartId }]);
  assert.equal(leaf.extensions.authorityKeyId, made.east.certificate.extensions.subjectKeyId);
});

test("parseCertificate() keeps nothing in memory that others share", () => {
  const { der, tbs, signature, spki } = parseCertificate(Buffer.from(leaf.der));
  for (const part of [der, tbs, signature, spki]) {
    assert.equal(part.buffer.byteLength, part.length);
  }
});

test("parseCertificate() reads keys on P-384", () => {
  assert.equal(
    parseCertificate(edited({ [at.key]: spki("P-384") })).publicKey.asymmetricKeyType,
    "ec",
  );
});

const certificates: readonly [claim: string, bytes: Uint8Array][] = [
  ["no extensions", edited({ [at.extensions]: undefined })],
  ["version 1", edited({ [at.version]: der(contextTag(0, "constructed"), [smallInteger(0)]) })],
  ["serial 0", edited({ [at.serial]: smallInteger(0) })],
  ["a negative serial", edited({ [at.serial]: der(tag.integer, "\x80\x01") })],
  ["a serial of 21 bytes", edited({ [at.serial]: bigInteger(Buffer.alloc(21, 1)) })],
  ["two algorithms", edited({ [at.algorithm]: algorithm384 })],
  ["RSA's algorithm", edited({ [at.algorithm]: sequence(oid("1.2.840.113549.1.1.11")) })],
  ["a P-521 key", edited({ [at.key]: spki("P-521") })],
  ["explicit curve parameters", edited({ [at.key]: spki("P-256", "explicit") })],
  ["an RSA key", edited({ [at.key]: rsa })],
  ["February 30", edited({ [at.validity]: validity(utc("260230000000Z"), utc("270101000000Z")) })],
  ["hour 24", edited({ [at.validity]: validity(utc("260101240000Z"), utc("270101000000Z")) })],
  [
    "a time with an offset",
    edited({ [at.validity]: validity(utc("260101000000+0000"), utc("270101000000Z")) }),
  ],
  [
    "a time without seconds",
    edited({ [at.validity]: validity(utc("2601010000Z"), utc("270101000000Z")) }),
  ],
  [
    "a long time before 2050",
    edited({ [at.validity]: validity(text(tag.generalizedTime, "20260101000000Z"), time(nowMs)) }),
  ],
  [
    "a fraction of a second",
    edited({
      [at.validity]: validity(utc("260101000000Z"), text(tag.generalizedTime, "20510101000000.5Z")),
    }),
  ],
  [
    "one extension twice",
    edited({
      [at.extensions]: extensions(
        extension(oids.keyUsage, octets(namedBits(0))),
        extension(oids.keyUsage, octets(namedBits(0))),
      ),
    }),
  ],
  [
    "an explicit FALSE",
    edited({
      [at.extensions]: extensions(
        extension(oids.keyUsage, der(tag.boolean, "\0"), octets(namedBits(0))),
      ),
    }),
  ],
  [
    "a TRUE of 1",
    edited({
      [at.extensions]: extensions(
        extension(oids.keyUsage, der(tag.boolean, "\x01"), octets(namedBits(0))),
      ),
    }),
  ],
  [
    "an extension with four parts",
    edited({
      [at.extensions]: extensions(
        extension(oids.keyUsage, isTrue(), octets(namedBits(0)), isTrue()),
      ),
    }),
  ],
  ["no list of extensions", edited({ [at.extensions]: extensions() })],
  [
    "key usage with trailing zero bits",
    edited({
      [at.extensions]: extensions(extension(oids.keyUsage, octets(der(tag.bitString, "\x06\x80")))),
    }),
  ],
  [
    "empty key usage",
    edited({
      [at.extensions]: extensions(extension(oids.keyUsage, octets(der(tag.bitString, "\0")))),
    }),
  ],
  [
    "a path length on a leaf",
    edited({
      [at.extensions]: extensions(
        extension(oids.basicConstraints, octets(sequence(smallInteger(0)))),
      ),
    }),
  ],
  [
    "a negative path length",
    edited({
      [at.extensions]: extensions(
        extension(oids.basicConstraints, octets(sequence(isTrue(), der(tag.integer, "\xff")))),
      ),
    }),
  ],
  [
    "no alternative names",
    edited({ [at.extensions]: extensions(extension(oids.subjectAltName, octets(sequence()))) }),
  ],
  [
    "a NUL in a name",
    edited({
      [at.extensions]: extensions(
        extension(oids.subjectAltName, octets(names({ t: "dns", value: "a\0b" }))),
      ),
    }),
  ],
  [
    "empty name constraints",
    edited({ [at.extensions]: extensions(extension(oids.nameConstraints, octets(sequence()))) }),
  ],
  [
    "an empty tree of name constraints",
    edited({
      [at.extensions]: extensions(
        extension(oids.nameConstraints, octets(sequence(der(contextTag(0, "constructed"), [])))),
      ),
    }),
  ],
  [
    "junk behind an extension's value",
    edited({
      [at.extensions]: extensions(
        extension(oids.keyUsage, octets(Buffer.concat([writeDer(namedBits(0)), Buffer.of(0)]))),
      ),
    }),
  ],
  ["a fourth part", edited({}, (outer) => [...outer, smallInteger(0)])],
  [
    "a signature with unused bits",
    edited({}, ([tbs, algorithm]) => [
      tbs ?? isTrue(),
      algorithm ?? isTrue(),
      der(tag.bitString, "\x01\x02"),
    ]),
  ],
  [
    "more than 8 KiB",
    edited({
      [at.subject]: sequence(
        der(tag.set, [sequence(oid(oids.commonName), text(tag.utf8, "x".repeat(9000)))]),
      ),
    }),
  ],
  ["nothing", Buffer.alloc(0)],
];

for (const [claim, bytes] of certificates) {
  test(`parseCertificate() refuses ${claim}`, () => {
    assert.throws(() => parseCertificate(bytes), refusal);
  });
}

for (const raw of ["", "\x80\x01", "\x55\x80", "\x55\x80\x01", "\x55\xff"]) {
  test(`parseCertificate() refuses an extension with the object identifier ${Buffer.from(raw, "latin1").toString("hex")}`, () => {
    const unknown = sequence(der(tag.oid, raw), octets(sequence()));
    const bytes = edited({ [at.extensions]: extensions(unknown) });
    assert.throws(() => parseCertificate(bytes), refusal);
  });
}

const ber: readonly [string, Buffer][] = [
  ["an indefinite length", Buffer.from("3080020101 0000".replace(" ", ""), "hex")],
  ["a long-form length of less than 128", Buffer.from("308103020101", "hex")],
  ["a padded length", Buffer.from("30820003020101", "hex")],
  ["a padded integer", Buffer.from("300402020001", "hex")],
  ["a byte behind the end", Buffer.from("300302010100", "hex")],
  ["a length beyond the end", Buffer.from("3004020101", "hex")],
  ["a length of 4 GiB", Buffer.from("3084ffffffff020101", "hex")],
  ["a length of 126 bytes", Buffer.concat([Buffer.of(0x30, 0xfe), Buffer.alloc(126, 0xff)])],
];

for (const [claim, bytes] of ber) {
  test(`readDer() refuses ${claim}`, () => {
    assert.throws(() => readDer(bytes, limits), refusal);
  });
}

test("time() and timeMsOf() change the form in 2050", () => {
  for (const ms of [
    0,
    Date.UTC(2049, 11, 31, 23, 59, 59),
    Date.UTC(2050, 0, 1),
    Date.UTC(9999, 11, 31),
  ]) {
    assert.equal(timeMsOf(time(ms)), ms);
  }
});

test("namedBitsOf() reads what namedBits() writes", () => {
  for (const bits of [[0], [5], [5, 6], [0, 7]]) {
    assert.deepEqual([...namedBitsOf(namedBits(...bits))], bits);
  }
});

test("serials of a positive number keep their sign", async () => {
  const found = await wishedLeaf({ issuer: made.east });
  assert.match(found.serial, /^[4-7]/);
});
