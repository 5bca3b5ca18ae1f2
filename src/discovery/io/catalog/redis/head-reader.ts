import type { MemberName, MeshDomain } from "../../../../mesh/ids.ts";
import type { CatalogStore, SignedHead } from "../../../shards/store.ts";
import type { Ask } from "./asking.ts";
import type { ChainMemory } from "./chain-memory.ts";
import { decodeStoredHead, maxHeadValueBytes } from "./codec.ts";
import { shardKeys } from "./keys.ts";
import { listOf, type Reply } from "./replies.ts";
import { scriptOn } from "./script-sender.ts";
import { headsScript } from "./scripts.ts";

/** Of one reply, which so has at most 16 MB. */
const membersPerReply = 256;
/** What the script says of a head that is known. */
const isKnown = 1;

/** All heads in one reply: a beat changes each of them, in every hub, every few seconds. */
export function createHeadReader(options: {
  readonly mesh: MeshDomain;
  readonly chains: ChainMemory;
  readonly ask: Ask;
}): CatalogStore["readHeads"] {
  const { mesh, chains, ask } = options;
  const send = scriptOn(headsScript, "_RO");

  const headIn = (reply: Reply | undefined): SignedHead | undefined => {
    const head = Buffer.isBuffer(reply) ? decodeStoredHead(reply)?.head : undefined;
    if (head !== undefined) chains.learn(head);
    return head;
  };
  const readSome = async (
    members: readonly MemberName[],
    { signal, known = nothingKnown }: Parameters<CatalogStore["readHeads"]>[1],
  ): Promise<readonly (readonly [MemberName, SignedHead])[]> => {
    // Kept: while the answer is on its way another hub may show newer ones.
    const held = members.map(known);
    const keys = members.map((member) => shardKeys(mesh, member).head);
    const signatures = held.map((head) => bufferOf(head?.signature.bytes));
    const replies = await ask("heads", "read the heads", {
      signal,
      run: (connection) => send(connection)(keys, [maxHeadValueBytes, ...signatures]),
    });
    return listOf(replies).flatMap((reply, index) => {
      const member = members[index];
      const head = reply === isKnown ? held[index] : headIn(reply);
      return member === undefined || head === undefined ? [] : [[member, head] as const];
    });
  };

  return async (members, asked) => {
    const parts = Array.from({ length: Math.ceil(members.length / membersPerReply) }, (_, part) =>
      members.slice(part * membersPerReply, (part + 1) * membersPerReply),
    );
    const heads = await Promise.all(parts.map((part) => readSome(part, asked)));
    return new Map(heads.flat());
  };
}

function nothingKnown(): undefined {
  return undefined;
}

function bufferOf(bytes: Uint8Array | undefined): Buffer {
  if (bytes === undefined) return Buffer.alloc(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
