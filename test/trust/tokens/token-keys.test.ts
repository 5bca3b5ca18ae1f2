import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseTokenKeys } from "../../../src/trust/tokens/token-keys.ts";
import { mutated, seededRandom } from "../mutations.ts";
import { madeIssuer } from "./made-token.ts";

const { jwks } = madeIssuer();
const [ec, rsa] = (JSON.parse(jwks) as { keys: [object, object] }).keys;

function setOf(...keys: readonly unknown[]): string {
  return JSON.stringify({ keys });
}

function rsaOf(modulusLength: number): object {
  return generateKeyPairSync("rsa", { modulusLength }).publicKey.export({ format: "jwk" });
}

describe("parseTokenKeys()", () => {
  test("reads an API server's keys by their ids", () => {
    const keys = parseTokenKeys(jwks);
    assert.deepEqual(
      [...keys].map(([id, { algorithm, key }]) => [id, algorithm, key.type]),
      [
        ["ec", "ES256", "public"],
        ["rsa", "RS256", "public"],
      ],
    );
  });

  test("leaves out keys of other kinds and uses", () => {
    const others = [
      { kty: "oct", k: "c2VjcmV0", kid: "a" },
      { ...ec, kid: "b", crv: "P-384" },
      { ...ec, kid: "c", use: "enc" },
      { ...rsa, kid: "d", alg: "PS256" },
      { ...ec, kid: undefined },
      null,
      "key",
    ];
    assert.deepEqual([...parseTokenKeys(setOf(...others, ec)).keys()], ["ec"]);
  });

  const wrong: Readonly<Record<string, string>> = {
    "no JSON": "<html>",
    "no list": '{"keys":{}}',
    nothing: '{"keys":[]}',
    "no key that counts": setOf({ kty: "oct", k: "c2VjcmV0", kid: "a" }),
    "two keys of one id": setOf(ec, { ...rsa, kid: "ec" }),
    "a point that is not on the curve": setOf({ ...ec, x: "AAAA" }),
    "a key without its point": setOf({ ...ec, x: undefined }),
    "a short RSA key": setOf({ ...rsaOf(1024), kid: "short" }),
    "too many keys": setOf(...Array.from({ length: 33 }, (_, at) => ({ ...ec, kid: `${at}` }))),
    "too many bytes": setOf(ec, "x".repeat(70_000)),
  };
  for (const [what, text] of Object.entries(wrong)) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => parseTokenKeys(text),
        (thrown) => thrown instanceof MeshError && thrown.code === "MESH_TOKEN_KEYS_INVALID",
      );
    });
  }

  test("refuses damaged sets by its own error alone", () => {
    const random = seededRandom(9);
    let taken = 0;
    for (let round = 0; round < 1000; round += 1) {
      try {
        taken += parseTokenKeys(mutated(Buffer.from(jwks), random).toString("latin1")).size;
      } catch (thrown) {
        assert.ok(thrown instanceof MeshError, String(thrown));
      }
    }
    assert.ok(taken > 0);
  });
});
