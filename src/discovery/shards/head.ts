import { hash } from "node:crypto";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseMeshDomain,
  trustDomainOf,
} from "../../mesh/ids.ts";
import type { Peer, Sign, VerifySignature } from "../../mesh/ports.ts";
import { isBucketCount } from "./buckets.ts";
import type { JsonObject } from "./json-fields.ts";
import { integerIn, objectIn, textIn } from "./json-fields.ts";
import type { ShardPosition, SignedHead } from "./store.ts";

/** Who writes a shard. Two writers of one name differ in the instance. */
export interface ShardOwner {
  /** Random, kept on disk: a restarted agent is the same instance. */
  readonly instance: string;
  /** Host name, for people. */
  readonly host: string;
  /** It is one of several agents of its member that share the name: one writes, the others wait. */
  readonly isReplica?: boolean;
  /** Names the Lease by which it was elected: contenders for the same one share the name. */
  readonly lease?: string;
}

/** What a member states of its shard, and that it lives. */
export interface Head {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly epoch: number;
  readonly seq: number;
  /** Raised with every signed head of an epoch. */
  readonly beat: number;
  readonly leaseMs: number;
  readonly buckets: number;
  /** Hex. */
  readonly digest: string;
  /** The writer's clock; only cold starts look at it. */
  readonly timeMs: number;
  readonly owner: ShardOwner;
}

export type HeadVerdict =
  | {
      readonly t: "ok";
      readonly head: Head;
      readonly isExpired: boolean;
      /** Of the signer's certificate. */
      readonly notAfterMs: number;
    }
  | { readonly t: "refused"; readonly reason: string };

/** Keeps a signature over a head from being taken for one over anything else. */
const purpose = "isthmus-catalog-head/1";
export const maxHeadBytes = 4096;
const maxLeaseMs = 600_000;
const maxChainLength = 4;
const hexDigest = /^[0-9a-f]{64}$/;

/** Epochs are close to the writer's clock in ms; one far ahead would lock its member out for ever. */
const maxEpochAheadMs = 86_400_000;

/** Whether readers refuse the head for its epoch, whoever signed it. */
export function isFarAhead({ epoch }: Pick<Head, "epoch">, nowMs: number): boolean {
  return epoch > nowMs + maxEpochAheadMs;
}

export function positionOf(head: ShardPosition): ShardPosition {
  return { epoch: head.epoch, seq: head.seq, digest: head.digest };
}

/**
 * Signs heads. The signer's own digest stands in the head, but which certificate signs is known only
 * afterwards: after a renewal the first head is signed twice.
 */
export function createHeadSigner(sign: Sign): (head: Head) => Promise<SignedHead> {
  let signer = "";
  return async (head) => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const bytes = encodeHead(head, signer);
      const signature = await sign(bytes);
      const leaf = hash("sha256", signature.chain[0] ?? new Uint8Array(), "hex");
      if (leaf === signer) return { bytes, signature };
      signer = leaf;
    }
    throw new MeshError(
      "MESH_INTERNAL",
      "Cannot sign a head: the identity changes with every call",
    );
  };
}

/** The order of fields is part of nothing: the signature covers the bytes as they are. */
function encodeHead(head: Head, signer: string): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      purpose,
      mesh: head.mesh,
      member: head.member,
      epoch: head.epoch,
      seq: head.seq,
      beat: head.beat,
      leaseMs: head.leaseMs,
      buckets: head.buckets,
      digest: head.digest,
      timeMs: head.timeMs,
      signer,
      owner: {
        instance: head.owner.instance,
        host: head.owner.host,
        ...(head.owner.isReplica === true ? { replica: true } : {}),
        ...(head.owner.lease === undefined ? {} : { lease: head.owner.lease }),
      },
    }),
  );
}

/** Reads a head without judging who signed it: enough to see whether it is news. */
export function peekHead(bytes: Uint8Array): Head | undefined {
  const read = decodeHead(bytes);
  return read.t === "ok" ? read.head : undefined;
}

/**
 * Judges a head: its form, its signature, and that the signer is the catalog identity of that very
 * member of that very mesh.
 */
export function verifyHead(
  signed: SignedHead,
  expected: {
    readonly mesh: MeshDomain;
    readonly member: MemberName;
    readonly verify: VerifySignature;
    readonly nowMs: number;
    readonly allowExpired: boolean;
  },
): HeadVerdict {
  const read = decodeHead(signed.bytes);
  if (read.t === "refused") return read;
  const { head, signer } = read;
  if (head.mesh !== expected.mesh || head.member !== expected.member) {
    return refused(`it speaks for ${head.member} of ${head.mesh}`);
  }
  if (signed.signature.chain.length > maxChainLength) return refused("its chain is too long");
  const verdict = expected.verify(
    { bytes: signed.bytes, signature: signed.signature },
    { nowMs: expected.nowMs, allowExpired: expected.allowExpired },
  );
  if (verdict.t === "refused") return verdict;
  const wrong = wrongSigner(verdict.peer, { head, signer });
  if (wrong !== undefined) return refused(wrong);
  const { isExpired, notAfterMs } = verdict.peer;
  return { t: "ok", head, isExpired, notAfterMs };
}

function wrongSigner(
  peer: Peer,
  read: { readonly head: Head; readonly signer: string },
): string | undefined {
  const owner = infrastructureSpiffeId(trustDomainOf(read.head.member, read.head.mesh), "catalog");
  if (peer.id !== owner) return `it is signed by ${peer.id}, not by ${owner}`;
  return peer.leafSha256 === read.signer
    ? undefined
    : "its signer is not the certificate beside it";
}

type Decoded =
  | { readonly t: "ok"; readonly head: Head; readonly signer: string }
  | { readonly t: "refused"; readonly reason: string };

function decodeHead(bytes: Uint8Array): Decoded {
  if (bytes.length > maxHeadBytes) return refused(`it has ${bytes.length} bytes`);
  try {
    const fields = objectIn(JSON.parse(Buffer.from(bytes).toString("utf8")), "head");
    if (fields["purpose"] !== purpose) return refused("its purpose is another");
    return { t: "ok", head: headFrom(fields), signer: digestIn(fields, "signer") };
  } catch (thrown) {
    return refused(reasonOf(thrown));
  }
}

function headFrom(fields: JsonObject): Head {
  const buckets = integerIn(fields, "buckets", { min: 1, max: Number.MAX_SAFE_INTEGER });
  if (!isBucketCount(buckets)) throw new RangeError(`buckets is ${buckets}`);
  const owner = objectIn(fields["owner"], "owner");
  return {
    mesh: parseMeshDomain(textIn(fields, "mesh", { max: 255 })),
    member: parseMemberName(textIn(fields, "member", { max: 63 })),
    epoch: integerIn(fields, "epoch", { min: 1, max: Number.MAX_SAFE_INTEGER }),
    seq: integerIn(fields, "seq", { min: 1, max: Number.MAX_SAFE_INTEGER }),
    beat: integerIn(fields, "beat", { min: 1, max: Number.MAX_SAFE_INTEGER }),
    leaseMs: integerIn(fields, "leaseMs", { min: 1, max: maxLeaseMs }),
    buckets,
    digest: digestIn(fields, "digest"),
    timeMs: integerIn(fields, "timeMs", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    owner: {
      instance: textIn(owner, "instance", { max: 128 }),
      host: textIn(owner, "host", { max: 255 }),
      ...(owner["replica"] === true ? { isReplica: true } : {}),
      ...(owner["lease"] === undefined ? {} : { lease: textIn(owner, "lease", { max: 128 }) }),
    },
  };
}

function digestIn(fields: JsonObject, name: string): string {
  const text = textIn(fields, name, { max: 64 });
  if (!hexDigest.test(text)) throw new RangeError(`${name} is no SHA-256`);
  return text;
}

function refused(reason: string): { readonly t: "refused"; readonly reason: string } {
  return { t: "refused", reason };
}
