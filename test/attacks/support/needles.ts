// Finds secrets in bytes, however they were written there.
import { createPrivateKey } from "node:crypto";

/** A secret that must not be found, with all ways in which somebody may have written it. */
export interface Needle {
  readonly name: string;
  readonly secret: Buffer;
}

/** The scalar is in PEM, in DER of either kind and in a JWK alike. */
export function needleOfKey(name: string, pem: string): Needle {
  const { d = "" } = createPrivateKey(pem).export({ format: "jwk" });
  return { name, secret: Buffer.from(d, "base64url") };
}

/** Of a join token: the 32 bytes between its id and the root's digest. */
export function needleOfToken(name: string, text: string): Needle {
  const [, body = ""] = text.split(".");
  return { name, secret: Buffer.from(body, "base64url").subarray(8, 40) };
}

// What begins every P-256 key, PKCS#8 and SEC 1: keys that live in memory alone are nobody's file.
const anyKey: readonly (readonly [name: string, bytes: Buffer])[] = [
  [
    "a PKCS#8 key",
    Buffer.from("308187020100301306072a8648ce3d020106082a8648ce3d030107046d", "hex"),
  ],
  ["a PEM key", Buffer.from("PRIVATE KEY-----")],
  ["a SEC 1 key", Buffer.from("30770201010420", "hex")],
];

/** Names of what is found: raw, in hex, in base64 at any place of a longer text, or as a list of numbers. */
export function secretsIn(bytes: Buffer, needles: readonly Needle[]): readonly string[] {
  const text = bytes.toString("latin1");
  // Line breaks of PEM, also as JSON writes them; colons and blanks of a dump.
  const base64 = text
    .replace(/\\[nr]|\s/g, "")
    .replaceAll("-", "+")
    .replaceAll("_", "/");
  const hex = text.replace(/[\s:,]|0x/gi, "").toLowerCase();
  const numbers = text.replace(/\s/g, "");
  const isIn = (secret: Buffer): boolean =>
    bytes.includes(secret) ||
    hex.includes(secret.toString("hex")) ||
    base64Forms(secret).some((form) => base64.includes(form)) ||
    numbers.includes([...secret].join(","));
  const named = needles.filter(({ secret }) => isIn(secret)).map(({ name }) => name);
  const unnamed = anyKey.filter(([, start]) => isIn(start)).map(([name]) => name);
  return [...named, ...unnamed];
}

/** Three bytes make four characters: by where it begins, the same bytes read in three ways. */
function base64Forms(secret: Buffer): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret]).toString("base64");
    const whole = Math.floor(((before + secret.length) * 8) / 6);
    return text.slice(Math.ceil((before * 8) / 6), whole);
  });
}
