import { keyPrefix, shardKeys } from "../../../discovery/io/catalog/redis/keys.ts";
import {
  type MemberName,
  type MeshDomain,
  parseMemberName,
  parseMeshDomain,
} from "../../../mesh/ids.ts";
import type { RedisNode } from "../redis-node.ts";
import { tell } from "./ask-node.ts";
import { type ContentFacts, type MemberContent, type Told, told, untold } from "./hub-facts.ts";

// The keyspace of a shared Redis may have millions of keys; what is not found by then is not shown.
const maxScans = 200;
const keysPerScan = "1000";
// As many as a charter may have.
const maxMembers = 2000;

/** What the mesh has in a hub: by the charter's members, or by looking for heads where none is known. */
export async function askContent(
  node: RedisNode,
  about: { readonly mesh: MeshDomain | undefined; readonly members: readonly MemberName[] },
): Promise<Told<readonly ContentFacts[]>> {
  const { mesh, members } = about;
  if (mesh !== undefined && members.length > 0) {
    return tell(async () => [await contentOf(node, mesh, members.slice(0, maxMembers))]);
  }
  const found = await tell(() => scanHeads(node, mesh));
  if (found.t === "untold") return found;
  const meshes: ContentFacts[] = [];
  for (const [name, own] of found.value) {
    const content = await tell(() => contentOf(node, name, own));
    if (content.t === "untold") return untold(content.reason);
    meshes.push(content.value);
  }
  return told(meshes);
}

async function contentOf(
  node: RedisNode,
  mesh: MeshDomain,
  members: readonly MemberName[],
): Promise<ContentFacts> {
  const present = await presentIn(node, mesh, members);
  return {
    mesh,
    members: await Promise.all(
      [...present].map(async (member) => await memberContent(node, mesh, member)),
    ),
    absent: members.filter((member) => !present.has(member)),
  };
}

/** Those of whom there is a head. All are asked at once: a hub may be an ocean away. */
export async function presentIn(
  node: RedisNode,
  mesh: MeshDomain,
  members: readonly MemberName[],
): Promise<ReadonlySet<MemberName>> {
  const found = await Promise.all(
    members.map(async (member) => Number(await node.call("EXISTS", shardKeys(mesh, member).head))),
  );
  return new Set(members.filter((_, index) => (found[index] ?? 0) > 0));
}

async function memberContent(
  node: RedisNode,
  mesh: MeshDomain,
  member: MemberName,
): Promise<MemberContent> {
  const keys = shardKeys(mesh, member);
  const [records, logEntries, bytes] = await Promise.all([
    node.call("HLEN", keys.records),
    node.call("XLEN", keys.log),
    bytesOf(node, Object.values(keys)),
  ]);
  return { member, records: Number(records), logEntries: Number(logEntries), bytes };
}

async function bytesOf(node: RedisNode, keys: readonly string[]): Promise<number | undefined> {
  const sizes = await tell(async () => {
    const each = await Promise.all(keys.map((key) => node.call("MEMORY", "USAGE", key)));
    return each.reduce<number>((sum, bytes) => sum + Number(bytes ?? 0), 0);
  });
  return sizes.t === "told" && Number.isFinite(sizes.value) ? sizes.value : undefined;
}

const headShape = /^isthmus:\{([a-z0-9.-]{1,253})\}:([a-z0-9-]{1,63}):head$/;

/** Members by mesh. */
export async function scanHeads(
  node: RedisNode,
  mesh: MeshDomain | undefined,
): Promise<ReadonlyMap<MeshDomain, readonly MemberName[]>> {
  const found = new Map<MeshDomain, Set<MemberName>>();
  const pattern = mesh === undefined ? "isthmus:{*}:*:head" : `${keyPrefix(mesh)}*:head`;
  let cursor = "0";
  for (let scans = 0; scans < maxScans; scans += 1) {
    const reply = await node.call("SCAN", cursor, "MATCH", pattern, "COUNT", keysPerScan);
    const [next, keys]: unknown[] = Array.isArray(reply) ? reply : [];
    for (const key of Array.isArray(keys) ? keys : []) {
      const named = headNameIn(String(key));
      if (named === undefined) continue;
      found.set(named.mesh, (found.get(named.mesh) ?? new Set()).add(named.member));
    }
    cursor = String(next);
    if (cursor === "0") break;
  }
  return new Map([...found].map(([name, members]) => [name, [...members].sort()]));
}

/** Undefined for a key that no member of any mesh would have. */
function headNameIn(
  key: string,
): { readonly mesh: MeshDomain; readonly member: MemberName } | undefined {
  const [, mesh = "", member = ""] = headShape.exec(key) ?? [];
  try {
    return { mesh: parseMeshDomain(mesh), member: parseMemberName(member) };
  } catch {
    return undefined;
  }
}
