import { timingSafeEqual } from "node:crypto";
import { MeshError } from "../../mesh/errors.ts";
import { parseTrustDomain, type TrustDomain } from "../../mesh/ids.ts";
import { Secret } from "../../mesh/secret.ts";
import { sha256Hex } from "../keys.ts";

/** What a newcomer shows once, and by what it knows whom to show it to. */
export interface JoinToken {
  /** Names the token in lists and logs: 16 hex digits, no secret. */
  readonly id: string;
  /** 64 hex digits. */
  readonly secret: Secret;
  /** SHA-256 (hex) of the SubjectPublicKeyInfo of the root under which the agent must prove itself. */
  readonly rootSpkiSha256: string;
  /** Whose agent may see the token: another member's, under the same root, could show it here in our place. */
  readonly trustDomain: TrustDomain;
}

// Starts every join token, and no other kind of token.
const joinTokenPrefix = "isthmus1.";

const idBytes = 8;
const hashBytes = 32;
const allBytes = idBytes + 2 * hashBytes;
// 72 bytes are 96 characters without any left over: each token has one spelling.
const shape = /^isthmus1\.([A-Za-z0-9_-]{96})\.([a-z0-9.-]{1,255})$/;
// A member's trust domain is a DNS name.
const labels = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;
const idShape = /^[0-9a-f]{16}$/;

/**
 * Reads `isthmus1.` + base64url(id, secret, root's digest) + `.` + the agent's trust domain. Throws
 * MESH_JOIN_TOKEN_MALFORMED.
 */
export function parseJoinToken(text: Secret): JoinToken {
  const [, encoded, trustDomain] = shape.exec(text.reveal()) ?? [];
  if (encoded === undefined || trustDomain === undefined || !labels.test(trustDomain)) {
    return malformed("it is not a whole line that `isthmus token create` printed");
  }
  const bytes = Buffer.from(encoded, "base64url");
  return {
    id: bytes.toString("hex", 0, idBytes),
    secret: new Secret(bytes.toString("hex", idBytes, idBytes + hashBytes)),
    rootSpkiSha256: bytes.toString("hex", idBytes + hashBytes),
    trustDomain: parseTrustDomain(trustDomain),
  };
}

function malformed(truth: string): never {
  throw new MeshError("MESH_JOIN_TOKEN_MALFORMED", `Cannot read join token: ${truth}`);
}

/** Makes a token's text. */
export function joinTokenText(options: {
  /** Of a generator that nobody can foretell; 40 bytes. */
  readonly random: Uint8Array;
  /** Hex. */
  readonly rootSpkiSha256: string;
  readonly trustDomain: TrustDomain;
}): Secret {
  const bytes = Buffer.concat([options.random, Buffer.from(options.rootSpkiSha256, "hex")]);
  if (bytes.length !== allBytes) throw new RangeError(`A join token has ${allBytes} bytes`);
  return new Secret(`${joinTokenPrefix}${bytes.toString("base64url")}.${options.trustDomain}`);
}

/** Throws MESH_JOIN_TOKEN_MALFORMED. */
export function parseJoinTokenId(text: string): string {
  if (idShape.test(text)) return text;
  throw new MeshError(
    "MESH_JOIN_TOKEN_MALFORMED",
    `Cannot read token id: it is not ${2 * idBytes} hex digits, as \`isthmus token list\` shows it`,
  );
}

/** What is kept of a secret, in hex: whoever reads it cannot show the secret. */
export function secretHash({ secret }: JoinToken): string {
  return sha256Hex(Buffer.from(secret.reveal(), "hex"));
}

/** Compares in a time that says nothing of where they differ. Both hex digests. */
export function isSameHash(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one, "hex"), Buffer.from(other, "hex")];
  return left.length === hashBytes && right.length === hashBytes && timingSafeEqual(left, right);
}
