import { tell } from "./ask-node.ts";
import { type ContentFacts, type MemberContent, type Told, told, untold } from "./hub-facts.ts";
import { keyOf } from "./mesh-rights.ts";
import type { RedisNode } from "./redis-node.ts";

const parts = ["records", "log", "head", "charter"] as const;
// The keyspace of a shared Redis may have millions of keys; what is not found by then is not shown.
const maxScans = 200;
const keysPerScan = "1000";
// As many as a charter may have.
const maxMembers = 2000;

/** What the mesh has in a hub: by the charter's members, or by looking for heads where none is known. */
export async function askContent(
  node: RedisNode,
  about: { readonly mesh: string | undefined; readonly members: readonly string[] },
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
  mesh: string,
  members: readonly string[],
): Promise<ContentFacts> {
  const present: MemberContent[] = [];
  const absent: string[] = [];
  for (const member of members) {
    const key = (part: string): string => keyOf(mesh, member, part);
    if (Number(await node.call("EXISTS", key("head"))) === 0) {
      absent.push(member);
      continue;
    }
    present.push({
      member,
      records: Number(await node.call("HLEN", key("records"))),
      logEntries: Number(await node.call("XLEN", key("log"))),
      bytes: await bytesOf(node, parts.map(key)),
    });
  }
  return { mesh, members: present, absent };
}

async function bytesOf(node: RedisNode, keys: readonly string[]): Promise<number | undefined> {
  const sizes = await tell(async () => {
    let bytes = 0;
    for (const key of keys) bytes += Number((await node.call("MEMORY", "USAGE", key)) ?? 0);
    return bytes;
  });
  return sizes.t === "told" && Number.isFinite(sizes.value) ? sizes.value : undefined;
}

const headShape = /^isthmus:\{([a-z0-9.-]{1,253})\}:([a-z0-9-]{1,63}):head$/;

/** Members by mesh. */
async function scanHeads(
  node: RedisNode,
  mesh: string | undefined,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>();
  const pattern = mesh === undefined ? "isthmus:{*}:*:head" : keyOf(mesh, "*", "head");
  let cursor = "0";
  for (let scans = 0; scans < maxScans; scans += 1) {
    const reply = await node.call("SCAN", cursor, "MATCH", pattern, "COUNT", keysPerScan);
    const [next, keys]: unknown[] = Array.isArray(reply) ? reply : [];
    for (const key of Array.isArray(keys) ? keys : []) {
      const [, name, member] = headShape.exec(String(key)) ?? [];
      if (name === undefined || member === undefined) continue;
      found.set(name, (found.get(name) ?? new Set()).add(member));
    }
    cursor = String(next);
    if (cursor === "0") break;
  }
  return new Map([...found].map(([name, members]) => [name, [...members].sort()]));
}
