// Damaged inputs: refused by a MeshError, never taken, never another error.
// `ISTHMUS_FUZZ=1000000` is the long run; each case of damage that ever got through becomes a test.
import assert from "node:assert/strict";
import { sign, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { MeshError } from "../../src/mesh/errors.ts";
import { spiffePartsOf } from "../../src/mesh/ids.ts";
import { parseBundle } from "../../src/trust/bundle.ts";
import { verifyCharter } from "../../src/trust/charter.ts";
import { parseCharter } from "../../src/trust/charter-codec.ts";
import { formatCharterFile, parseCharterFile } from "../../src/trust/charter-file.ts";
import { createCsr, parseCsr } from "../../src/trust/csr.ts";
import { childrenOf, readDer, tag, wholeBits, writeDer } from "../../src/trust/der.ts";
import { describeText } from "../../src/trust/describe.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { jwksOf, parseJwks } from "../../src/trust/jwks.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import { madeMesh, madeSvid, mesh, nowMs } from "./made.ts";
import { mutated, seededRandom } from "./mutations.ts";

const rounds = Number(process.env["ISTHMUS_FUZZ"] ?? 2000);
const made = await madeMesh();
const { leaf } = await madeSvid(made.east);
const issuer = made.east.certificate;
const { signed } = made.charter;
const trusted = { mesh, bundle: made.bundle };

/** Calls `take` with damaged bytes; it must throw a MeshError, or say what it took them for. */
function fuzz(
  original: Uint8Array,
  seed: number,
  take: (bytes: Buffer) => "taken" | "refused" | "harmless",
): void {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round += 1) {
    const bytes = mutated(original, random);
    const verdict = verdictOf(() => take(bytes), bytes);
    const isSame = bytes.equals(original);
    assert.ok(verdict !== "taken" || isSame, `round ${round} was taken: ${bytes.toString("hex")}`);
  }
}

function verdictOf(take: () => string, bytes: Buffer): string {
  try {
    return take();
  } catch (thrown) {
    if (thrown instanceof MeshError) return "refused";
    return assert.fail(`${String(thrown)} for ${bytes.toString("hex")}`);
  }
}

test("parseCsr() takes no damaged CSR", () => {
  fuzz(createCsr(newPrivateKey()), 1, (bytes) => {
    parseCsr(bytes);
    return "taken";
  });
});

const { verifyPeer } = createVerifier({
  ...trusted,
  bundle: () => made.bundle,
  charter: undefined,
});

test("verifyPeer() takes no chain with a damaged leaf", () => {
  fuzz(leaf.der, 2, (bytes) => {
    return verifyPeer([bytes, issuer.der], { nowMs }).t === "ok" ? "taken" : "refused";
  });
});

test("verifyPeer() takes no chain with a damaged issuer", () => {
  fuzz(issuer.der, 3, (bytes) => {
    return verifyPeer([leaf.der, bytes], { nowMs }).t === "ok" ? "taken" : "refused";
  });
});

/** A certificate around a signed part that need not be DER any more. */
function around(tbs: Buffer, signature: Buffer): Buffer {
  const [, algorithm] = childrenOf(
    readDer(leaf.der, { maxBytes: 8192, maxDepth: 16 }),
    tag.sequence,
  );
  const rest = Buffer.concat([
    writeDer(algorithm ?? assert.fail()),
    writeDer(wholeBits(signature)),
  ]);
  const length = tbs.length + rest.length;
  return Buffer.concat([Buffer.of(0x30, 0x82, length >> 8, length & 0xff), tbs, rest]);
}

test("verifyPeer() takes damaged leaves that a stolen issuer signed for its own member only", () => {
  const random = seededRandom(6);
  let taken = 0;
  for (let round = 0; round < rounds; round += 1) {
    const tbs = mutated(leaf.tbs, random);
    const bytes = around(tbs, sign("sha256", tbs, made.east.key));
    const verdict = verifyPeer([bytes, issuer.der], { nowMs });
    if (verdict.t === "refused") continue;
    taken += 1;
    assert.equal(
      spiffePartsOf(verdict.peer.id).trustDomain,
      "east.acme.mesh",
      bytes.toString("hex"),
    );
    const names = new X509Certificate(bytes).subjectAltName ?? "";
    assert.equal(names, `URI:${verdict.peer.id}`, bytes.toString("hex"));
  }
  assert.ok(taken > 0, "some damage does no harm, such as another serial");
});

test("verifyCharter() takes no damaged charter, and no damaged signature", () => {
  fuzz(signed.bytes, 4, (bytes) => {
    verifyCharter({ ...signed, bytes }, trusted);
    return "taken";
  });
  fuzz(signed.signature, 5, (signature) => {
    verifyCharter({ ...signed, signature }, trusted);
    return "taken";
  });
});

// Damage may leave these readable: that is no harm, because a signature is checked before or after.
const readers: readonly [string, Uint8Array, (text: string, bytes: Buffer) => unknown][] = [
  ["parseCharter()", signed.bytes, (_text, bytes) => parseCharter(bytes)],
  ["parseCharterFile()", Buffer.from(formatCharterFile(signed)), parseCharterFile],
  ["parseBundle()", Buffer.from(made.bundle.pem), parseBundle],
  [
    "parseJwks()",
    Buffer.from(JSON.stringify(jwksOf(made.bundle, { sequence: 1, refreshHintSeconds: 60 }))),
    parseJwks,
  ],
  ["describeText()", Buffer.from(made.bundle.pem), describeText],
];

for (const [index, [name, original, read]] of readers.entries()) {
  test(`${name} throws MeshErrors alone`, () => {
    fuzz(original, 10 + index, (bytes) => {
      read(bytes.toString("utf8"), bytes);
      return "harmless";
    });
  });
}
