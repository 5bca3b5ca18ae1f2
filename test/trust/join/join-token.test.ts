import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseTrustDomain } from "../../../src/mesh/ids.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import {
  isSameHash,
  joinTokenText,
  parseJoinToken,
  parseJoinTokenId,
  secretHash,
} from "../../../src/trust/join/join-token.ts";
import { mutated, seededRandom } from "../mutations.ts";

const rootSpkiSha256 = "ab".repeat(32);
const random = Buffer.from(Array.from({ length: 40 }, (_, index) => index));
const trustDomain = parseTrustDomain("east.acme.mesh");
const text = joinTokenText({ random, rootSpkiSha256, trustDomain });
const rounds = Number(process.env["ISTHMUS_FUZZ"] ?? 20_000);

function codeOf(written: string): string {
  try {
    return parseJoinToken(new Secret(written)).id;
  } catch (thrown) {
    if (thrown instanceof MeshError) return thrown.code;
    throw thrown;
  }
}

describe("join token", () => {
  test("parseJoinToken() reads what joinTokenText() wrote", () => {
    const read = parseJoinToken(text);
    assert.equal(read.id, "0001020304050607");
    assert.equal(read.secret.reveal(), random.toString("hex", 8));
    assert.equal(read.rootSpkiSha256, rootSpkiSha256);
    assert.equal(read.trustDomain, trustDomain);
    assert.equal(text.reveal().length, 105 + ".east.acme.mesh".length);
  });

  test("neither the text nor what was read of it prints its secret", () => {
    const read = parseJoinToken(text);
    const printed = [inspect(text), inspect(read), JSON.stringify(read), `${String(text)}`].join();
    assert.ok(!printed.includes(read.secret.reveal()));
    assert.ok(!printed.includes(text.reveal().slice(9)));
  });

  const damaged = {
    "cut off": text.reveal().slice(0, -1 - trustDomain.length),
    "without the last of its bytes": text.reveal().replace(/.\.east/, ".east"),
    "with a character too many": text.reveal().replace(".east", "A.east"),
    "without an owner": text.reveal().slice(0, -trustDomain.length),
    "of no trust domain": `${text.reveal()}..mesh`,
    "with a path behind it": `${text.reveal()}/isthmus/agent`,
    "with a line break": `${text.reveal()}\n`,
    "of another version": text.reveal().replace("isthmus1", "isthmus2"),
    "in upper case": text.reveal().toUpperCase(),
    "in base64 with padding": text.reveal().replace(/.\.east/, "=.east"),
    "in the alphabet of base64": text.reveal().replace(/.\.east/, "+.east"),
    empty: "",
    "a service-account token": "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
    "of 1 MB": `isthmus1.${"A".repeat(1_000_000)}`,
  };
  for (const [what, written] of Object.entries(damaged)) {
    test(`parseJoinToken() refuses one that is ${what}, and quotes nothing of it`, () => {
      assert.throws(
        () => parseJoinToken(new Secret(written)),
        (thrown: unknown) => {
          assert.ok(thrown instanceof MeshError);
          assert.equal(thrown.code, "MESH_JOIN_TOKEN_MALFORMED");
          assert.ok(thrown.message.length < 200);
          return written === "" || !thrown.message.includes(written.slice(9, 40));
        },
      );
    });
  }

  test("parseJoinToken() takes of any damaged text what is another token, and throws nothing else", () => {
    const original = Buffer.from(text.reveal());
    const chance = seededRandom(7);
    let taken = 0;
    for (let round = 0; round < rounds; round += 1) {
      const written = mutated(original, chance).toString("latin1");
      const outcome = codeOf(written);
      if (outcome === "MESH_JOIN_TOKEN_MALFORMED") continue;
      taken += 1;
      // One text for each token: what was read is written the same again.
      const read = parseJoinToken(new Secret(written));
      const bytes = Buffer.from(read.id + read.secret.reveal(), "hex");
      const again = joinTokenText({ ...read, random: bytes });
      assert.equal(again.reveal(), written);
    }
    assert.ok(taken > 0 && taken < rounds);
  });

  test("secretHash() differs for secrets that differ in one bit, and isSameHash() tells", () => {
    const hash = secretHash(parseJoinToken(text));
    const other = Buffer.from(random);
    other[39] = (other[39] ?? 0) ^ 1;
    const otherHash = secretHash(
      parseJoinToken(joinTokenText({ random: other, rootSpkiSha256, trustDomain })),
    );
    assert.equal(isSameHash(hash, hash), true);
    assert.equal(isSameHash(hash, otherHash), false);
    assert.equal(isSameHash(hash, hash.slice(2)), false);
    assert.equal(isSameHash("", ""), false);
  });

  test("parseJoinTokenId() takes ids, and nothing that could be a path", () => {
    assert.equal(parseJoinTokenId("0001020304050607"), "0001020304050607");
    for (const written of ["", "..", "../../../../etc", "0001020304050607/", "000102030405060G"]) {
      assert.throws(() => parseJoinTokenId(written), { code: "MESH_JOIN_TOKEN_MALFORMED" });
    }
  });

  test("joinTokenText() takes bytes of one length only", () => {
    assert.throws(
      () => joinTokenText({ random: randomBytes(39), rootSpkiSha256, trustDomain }),
      RangeError,
    );
  });
});
