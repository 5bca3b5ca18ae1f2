import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import { beyondOf, neededOf, type Trial } from "../mesh-rights.ts";
import { isRefusal, type RedisNode } from "../redis-node.ts";
import { tell } from "./ask-node.ts";
import type { Right, RightsFacts, RightVerdict, Told } from "./hub-facts.ts";

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
  const { mesh, member, other, isAnonymous } = about;
  const needed = member === undefined ? [] : neededOf(mesh, member);
  const beyond = beyondOf(mesh, other);
  const verdicts = await judgeAll(
    node,
    user,
    [...needed, ...beyond].flatMap((one) => one.commands),
  );
  const rightOf = ({ what, commands, wants }: Trial): Right => {
    const own = new Set(commands.map((command) => verdicts.get(command) ?? "unknown"));
    return { what, verdict: sumOf(own, wants) };
  };
  return {
    user,
    isAnonymous,
    member,
    needed: needed.map(rightOf),
    beyond: beyond.map(rightOf),
  };
}

/** What is needed is there when all of it is, what is too much when any of it is. */
function sumOf(verdicts: ReadonlySet<RightVerdict>, wants: Trial["wants"]): RightVerdict {
  const order: readonly RightVerdict[] =
    wants === "all" ? ["denied", "unknown", "allowed"] : ["allowed", "unknown", "denied"];
  return order.find((verdict) => verdicts.has(verdict)) ?? "unknown";
}

type Command = Trial["commands"][number];
type Verdicts = ReadonlyMap<Command, RightVerdict>;

/** All at once, in the way in which this server tells: a hub may be an ocean away. */
async function judgeAll(
  node: RedisNode,
  user: Told<string>,
  commands: readonly Command[],
): Promise<Verdicts> {
  if (user.t === "told" && (await dryRun(node, user.value, ["PING"])) !== undefined) {
    const pairs = commands.map(async (command) => {
      const verdict = (await dryRun(node, user.value, command)) ?? "unknown";
      return [command, verdict] as const;
    });
    return new Map(await Promise.all(pairs));
  }
  return await queueAndDiscard(node, commands);
}

/** Undefined where the server does not say. Since Redis 7. */
async function dryRun(
  node: RedisNode,
  user: string,
  command: Command,
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

async function queueAndDiscard(node: RedisNode, commands: readonly Command[]): Promise<Verdicts> {
  // Nothing else may be sent unless the server surely collects only.
  if (!(await isCollecting(node))) return new Map();
  const pairs = commands.map(async (command) => [command, await queued(node, command)] as const);
  // The end of the transaction goes out behind them, whatever becomes of them.
  const ended = node.call("DISCARD");
  const [verdicts] = await Promise.all([Promise.all(pairs), ended]);
  return new Map(verdicts);
}

async function isCollecting(node: RedisNode): Promise<boolean> {
  try {
    return (await node.call("MULTI")) === "OK";
  } catch (thrown) {
    if (isRefusal(thrown)) return false;
    throw thrown;
  }
}

async function queued(node: RedisNode, [name = "", ...args]: Command): Promise<RightVerdict> {
  try {
    return (await node.call(name, ...args)) === "QUEUED" ? "allowed" : "unknown";
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return thrown.word === "NOPERM" ? "denied" : "unknown";
  }
}
