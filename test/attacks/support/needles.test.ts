import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { needleOfKey, needleOfToken, secretsIn } from "./needles.ts";

const key = newPrivateKey();
const pem = key.export({ format: "pem", type: "pkcs8" }).toString();
const sec1 = key.export({ format: "pem", type: "sec1" }).toString();
const needle = needleOfKey("key", pem);
const { secret } = needle;
const around = (text: string | Buffer): Buffer =>
  Buffer.concat([randomBytes(301), Buffer.from(text), randomBytes(1000)]);

suite("secretsIn()", () => {
  const forms: Readonly<Record<string, string | Buffer>> = {
    "as PEM": pem,
    "as SEC 1 PEM": sec1,
    "as PEM inside of JSON": JSON.stringify({ pem }),
    "as DER": key.export({ format: "der", type: "pkcs8" }),
    "as a JWK": JSON.stringify(key.export({ format: "jwk" })),
    "as bytes": secret,
    "in hex": secret.toString("hex"),
    "in HEX with colons": (secret.toString("hex").toUpperCase().match(/../g) ?? []).join(":"),
    "in base64": secret.toString("base64"),
    "in base64 after one byte": Buffer.concat([Buffer.of(7), secret, Buffer.of(8)]).toString(
      "base64",
    ),
    "in base64url after two bytes": Buffer.concat([Buffer.of(7, 9), secret]).toString("base64url"),
    "as a Buffer in JSON": JSON.stringify({ of: secret }),
    "as an array in JSON": JSON.stringify([...secret], undefined, 2),
  };
  for (const [how, form] of Object.entries(forms)) {
    test(`finds a key that is written ${how}`, () => {
      const found = secretsIn(around(form), [needle]);
      assert.ok(found.includes("key"), found.join());
    });
  }

  test("finds PEM that is encoded once more, as in a Kubernetes Secret", () => {
    assert.deepEqual(secretsIn(around(Buffer.from(pem).toString("base64")), []), ["a PEM key"]);
  });

  test("finds a key that nobody named, by what begins it", () => {
    const other = newPrivateKey();
    const otherPem = other.export({ format: "pem", type: "pkcs8" }).toString();
    const body = otherPem.split("\n").slice(1, -2).join("\n");
    for (const text of [otherPem, body, other.export({ format: "der", type: "sec1" })]) {
      assert.notDeepEqual(secretsIn(around(text), [needle]), []);
    }
  });

  test("finds a token's secret in the token and alone, and neither in its id nor the root's digest", () => {
    const parts = [randomBytes(8), randomBytes(32), randomBytes(32)] as const;
    const token = `isthmus1.${Buffer.concat(parts).toString("base64url")}.east.acme.mesh`;
    const needles = [needleOfToken("token", token)];
    assert.deepEqual(secretsIn(around(`token: ${token}\n`), needles), ["token"]);
    assert.deepEqual(secretsIn(around(parts[1].toString("hex")), needles), ["token"]);
    assert.deepEqual(secretsIn(around(parts[0]), needles), []);
    assert.deepEqual(secretsIn(around(parts[2].toString("hex")), needles), []);
  });

  test("finds nothing in a certificate, a public key or chance", () => {
    const spki = newPrivateKey().export({ format: "jwk" });
    const { d: _, ...open } = spki;
    assert.deepEqual(secretsIn(around(JSON.stringify(open)), [needle]), []);
  });
});
