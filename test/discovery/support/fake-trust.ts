import { createHmac, hash } from "node:crypto";
import type { CheckClaim } from "../../../src/mesh/claim.ts";
import type { MemberName, MeshDomain } from "../../../src/mesh/ids.ts";
import { infrastructureSpiffeId, parseMemberName, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { PeerVerdict, Sign, Signature, VerifySignature } from "../../../src/mesh/ports.ts";

/** Certificates without ASN.1: a chain of one "certificate" naming its member, HMAC as signature. */
export interface FakeTrust {
  readonly signFor: (member: MemberName) => Sign;
  /** The same without a promise, for loops of millions. */
  readonly signNow: (member: MemberName, bytes: Uint8Array) => Signature;
  readonly verify: VerifySignature;
  readonly deny: (member: MemberName) => void;
  /** From now on the member signs with a new certificate. */
  readonly renew: (member: MemberName) => void;
  /** Certificates made until now end at this time. */
  readonly expireAt: (member: MemberName, atMs: number) => void;
}

const secret = "test";

export function createFakeTrust(mesh: MeshDomain): FakeTrust {
  const serials = new Map<MemberName, number>();
  const ends = new Map<string, number>();
  const denied = new Set<MemberName>();
  const leafOf = (member: MemberName): string => `${member} ${serials.get(member) ?? 1}`;

  const signNow = (member: MemberName, bytes: Uint8Array): Signature => {
    const leaf = leafOf(member);
    return { bytes: mac(leaf, bytes), chain: [Buffer.from(leaf)] };
  };

  return {
    signNow,
    signFor: (member) => async (bytes) => signNow(member, bytes),
    verify: ({ bytes, signature }, options): PeerVerdict => {
      const leaf = Buffer.from(signature.chain[0] ?? new Uint8Array()).toString("utf8");
      if (Buffer.compare(mac(leaf, bytes), signature.bytes) !== 0)
        return refused("wrong signature");
      const member = parseMemberName(leaf.split(" ")[0] ?? "");
      if (denied.has(member)) return refused("denied");
      const notAfterMs = ends.get(leaf) ?? Number.MAX_SAFE_INTEGER;
      const isExpired = options.nowMs > notAfterMs;
      if (isExpired && options.allowExpired !== true) return refused("expired");
      const peer = {
        id: infrastructureSpiffeId(trustDomainOf(member, mesh), "catalog"),
        notBeforeMs: 0,
        notAfterMs,
        leafSha256: hash("sha256", leaf, "hex"),
        issuerSpkiSha256: member,
        isExpired,
      };
      return { t: "ok", peer };
    },
    deny: (member) => void denied.add(member),
    renew: (member) => void serials.set(member, (serials.get(member) ?? 1) + 1),
    expireAt: (member, atMs) => void ends.set(leafOf(member), atMs),
  };
}

export const anyClaim: CheckClaim = () => ({ t: "ok" });

function mac(leaf: string, bytes: Uint8Array): Uint8Array {
  return createHmac("sha256", `${secret} ${leaf}`).update(bytes).digest();
}

function refused(reason: string): PeerVerdict {
  return { t: "refused", reason };
}
