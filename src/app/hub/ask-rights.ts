import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import { tell } from "./ask-node.ts";
import type { Right, RightsFacts, RightVerdict, Told } from "./hub-facts.ts";
import { beyondOf, neededOf, type Trial } from "./mesh-rights.ts";
import { isRefusal, type RedisNode } from "./redis-node.ts";

/**
 * What the user of this connection may do. Nothing is changed: ACL DRYRUN judges a command without
 * running it, and where that is refused, a command is queued in a transaction that is then discarded,
 * since the server judges rights when it queues.
 */
export async function askRights(
  node: RedisNode,
  about: {
    readonly mesh: MeshDomain;
    readonly member: MemberName | undefined;
    /** Some other member: of the charter where it is known. */
    readonly other: MemberName;
    readonly isAnonymous: boolean;
  },
): Promise<RightsFacts> {
  const user = await tell(async () => String(await node.call("ACL", "WHOAMI")));
  const ask = await askerFor(node, user);
  const judge = async (trials: readonly Trial[]): Promise<readonly Right[]> => {
    const rights: Right[] = [];
    for (const { what, commands, wants } of trials) {
      const verdicts = new Set<RightVerdict>();
      for (const command of commands) verdicts.add(await ask(command));
      rights.push({ what, verdict: sumOf(verdicts, wants) });
    }
    return rights;
  };
  const { mesh, member, other, isAnonymous } = about;
  return {
    user,
    isAnonymous,
    member,
    needed: member === undefined ? [] : await judge(neededOf(mesh, member)),
    beyond: await judge(beyondOf(mesh, other)),
  };
}

/** What is needed is there when all of it is, what is too much when any of it is. */
function sumOf(verdicts: ReadonlySet<RightVerdict>, wants: Trial["wants"]): RightVerdict {
  const order: readonly RightVerdict[] =
    wants === "all" ? ["denied", "unknown", "allowed"] : ["allowed", "unknown", "denied"];
  return order.find((verdict) => verdicts.has(verdict)) ?? "unknown";
}

type Ask = (command: readonly string[]) => Promise<RightVerdict>;

/** The way in which this server tells, found out once: each question is a journey or two. */
async function askerFor(node: RedisNode, user: Told<string>): Promise<Ask> {
  if (user.t === "told" && (await dryRun(node, user.value, ["PING"])) !== undefined) {
    return async (command) => (await dryRun(node, user.value, command)) ?? "unknown";
  }
  return (await queueAndDiscard(node, ["PING"])) === "unknown"
    ? async () => "unknown"
    : async (command) => await queueAndDiscard(node, command);
}

/** Undefined where the server does not say. Since Redis 7. */
async function dryRun(
  node: RedisNode,
  user: string,
  command: readonly string[],
): Promise<RightVerdict | undefined> {
  try {
    const reply = await node.call("ACL", "DRYRUN", user, ...command);
    if (reply === "OK") return "allowed";
    return typeof reply === "string" && /no permission/i.test(reply) ? "denied" : undefined;
  } catch (thrown) {
    if (isRefusal(thrown)) return undefined;
    throw thrown;
  }
}

async function queueAndDiscard(
  node: RedisNode,
  [name = "", ...args]: readonly string[],
): Promise<RightVerdict> {
  try {
    // Nothing else may be sent unless the server surely collects only.
    if ((await node.call("MULTI")) !== "OK") return "unknown";
  } catch (thrown) {
    if (isRefusal(thrown)) return "unknown";
    throw thrown;
  }
  try {
    return (await node.call(name, ...args)) === "QUEUED" ? "allowed" : "unknown";
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return thrown.word === "NOPERM" ? "denied" : "unknown";
  } finally {
    await node.call("DISCARD");
  }
}
