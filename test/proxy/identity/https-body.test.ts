import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MeshError } from "../../../src/mesh/errors.ts";
import {
  type HttpsWords,
  parseHttpsBody,
  proofIn,
} from "../../../src/proxy/identity/https-body.ts";
import { createCsr } from "../../../src/trust/csr.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { mutated, seededRandom } from "../../trust/mutations.ts";

const rounds = Number(process.env["ISTHMUS_FUZZ"] ?? 20_000);
const json = "application/json";
const form = "application/x-www-form-urlencoded";
const csr = createCsr(newPrivateKey());
const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${csr.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
const secret = "isthmus1.a-token-that-nobody-may-quote";

function read(text: string | Uint8Array, contentType = json): HttpsWords {
  return parseHttpsBody({ bytes: Buffer.from(text), contentType });
}

function codeOf(text: string | Uint8Array, contentType = json): string {
  try {
    read(text, contentType);
    return "read";
  } catch (thrown) {
    assert.ok(thrown instanceof MeshError, String(thrown));
    for (let cause: unknown = thrown; cause instanceof Error; cause = cause.cause) {
      assert.ok(!cause.message.includes(secret.slice(9)), cause.message);
    }
    return thrown.code;
  }
}

describe("parseHttpsBody()", () => {
  for (const [what, text] of [
    ["PEM", pem],
    ["base64", csr.toString("base64")],
  ] as const) {
    test(`reads a CSR in ${what} and a token, from JSON and from a form`, () => {
      const bodies = [
        [
          JSON.stringify({ csr: text, joinToken: `${secret}\n`, workloadGroup: "shop/carts" }),
          json,
        ],
        [
          String(
            new URLSearchParams({ csr: text, joinToken: secret, workloadGroup: "shop/carts" }),
          ),
          `${form}; charset=utf-8`,
        ],
      ] as const;
      for (const [body, type] of bodies) {
        const words = read(body, type);
        assert.deepEqual(Buffer.from(words.csr), csr);
        assert.equal(words.joinToken?.reveal(), secret);
        assert.equal(words.workloadGroup, "shop/carts");
        assert.equal(words.member, "");
      }
    });
  }

  const refused: Readonly<Record<string, readonly [string, string, string?]>> = {
    "no JSON, without quoting it": ["MESH_USAGE", `{"joinToken":"${secret}`],
    "a list": ["MESH_USAGE", "[]"],
    null: ["MESH_USAGE", "null"],
    "a number as token": ["MESH_USAGE", '{"joinToken":7}'],
    "a list as CSR": ["MESH_USAGE", '{"csr":["x"]}'],
    "an unknown field": ["MESH_USAGE", '{"crs":"x"}'],
    "a field of every object": ["MESH_USAGE", '{"constructor":"x"}'],
    "one that would be the prototype": ["MESH_USAGE", '{"__proto__":{"csr":"x"}}'],
    "a form that says a field twice": ["MESH_USAGE", `joinToken=a&joinToken=${secret}`, form],
    "a form of another kind": ["MESH_USAGE", "csr=x", "multipart/form-data; boundary=x"],
    "no content type": ["MESH_USAGE", "{}", ""],
    "deep nesting": ["MESH_USAGE", "[".repeat(32_000)],
    "two CSRs": ["MESH_TRUST_CSR_REFUSED", JSON.stringify({ csr: pem + pem })],
    "a private key": [
      "MESH_TRUST_CSR_REFUSED",
      JSON.stringify({ csr: pem.replaceAll("CERTIFICATE REQUEST", "PRIVATE KEY") }),
    ],
    "a CSR that is cut off": ["MESH_TRUST_CSR_REFUSED", JSON.stringify({ csr: pem.slice(0, 90) })],
  };
  for (const [what, [code, body, type]] of Object.entries(refused)) {
    test(`refuses ${what}`, () => {
      assert.equal(codeOf(body, type ?? json), code);
    });
  }

  test("refuses bytes that are no UTF-8", () => {
    assert.equal(codeOf(Buffer.from([0x7b, 0xff, 0x7d])), "MESH_USAGE");
  });

  test("reads nothing out of an empty object or form", () => {
    for (const words of [read("{}"), read("", form)]) {
      assert.equal(words.csr.length, 0);
      assert.equal(proofIn(words), undefined);
    }
  });

  test("throws nothing but MeshErrors at damaged bodies, and quotes no token", () => {
    const bodies = [
      [JSON.stringify({ csr: pem, joinToken: secret, member: "west" }), json],
      [String(new URLSearchParams({ csr: pem, serviceAccountToken: secret })), form],
    ] as const;
    for (const [seed, [body, type]] of bodies.entries()) {
      const random = seededRandom(seed + 3);
      const outcomes = new Set<string>();
      for (let round = 0; round < rounds; round += 1) {
        outcomes.add(codeOf(mutated(Buffer.from(body), random), type));
      }
      assert.ok(outcomes.has("MESH_USAGE") && outcomes.has("read"));
    }
  });
});

describe("proofIn()", () => {
  test("takes one token, and neither of two", () => {
    const one = proofIn(read(JSON.stringify({ joinToken: secret })));
    assert.equal(one?.t, "join-token");
    const other = proofIn(read(JSON.stringify({ serviceAccountToken: secret })));
    assert.equal(other?.t, "service-account-token");
    const both = JSON.stringify({ joinToken: secret, serviceAccountToken: secret });
    assert.equal(proofIn(read(both)), undefined);
  });
});
