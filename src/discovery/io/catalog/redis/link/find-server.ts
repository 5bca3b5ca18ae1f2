import { formatHostPort, type HostPort } from "../../../../../mesh/address.ts";
import type { MeshDomain } from "../../../../../mesh/ids.ts";
import { charterIndexKey } from "../keys.ts";
import type { Reply } from "../replies.ts";
import { type Command, dial, type HubConnection } from "./connection.ts";
import { brokenBy, HubFailure } from "./hub-failure.ts";
import type { HubUrl } from "./hub-url.ts";
import type { DialOptions } from "./open-socket.ts";
import { dialable, latestOf, opinionIn, type SentinelOpinion, slotRangesIn } from "./topology.ts";

/** Finds the one server of a hub that holds the mesh's keys and may be written. */
export interface ServerFinder {
  /** A connection over which that server has answered for these keys. Throws HubFailure. */
  readonly connect: (options: DialOptions) => Promise<HubConnection>;
  /** A server pointed elsewhere: asked first the next time. */
  readonly hint: (movedTo: string, from: HostPort) => void;
  /**
   * Whether the sentinels have made another server the master: the old one may still answer and knows
   * nothing of it. Undefined for other shapes. Throws HubFailure.
   */
  readonly isReplaced: ((current: HostPort, options: DialOptions) => Promise<boolean>) | undefined;
}

/** Asked at once; a cluster may have hundreds of nodes. */
const nodesAsked = 6;
/** After the first sentinel's answer the others have so long to know better. */
const secondOpinionMs = 250;

export function createServerFinder(url: HubUrl, mesh: MeshDomain): ServerFinder {
  switch (url.t) {
    case "standalone":
      return {
        connect: (options) => connectTo(url.address, mesh, options),
        hint: () => undefined,
        isReplaced: undefined,
      };
    case "sentinel":
      return sentinelFinder(url, mesh);
    case "cluster":
      return clusterFinder(url.nodes, mesh);
  }
}

/** Connects and has one of the mesh's keys looked at: whoever answers that is the one. */
async function connectTo(
  address: HostPort,
  mesh: MeshDomain,
  options: DialOptions,
): Promise<HubConnection> {
  const { connection } = await dial(address, ["TYPE", charterIndexKey(mesh)], options);
  return connection;
}

async function askOnce(address: HostPort, command: Command, options: DialOptions): Promise<Reply> {
  const { connection, reply } = await dial(address, command, options);
  connection.close(new HubFailure("other", "it has been asked"));
  return reply;
}

type Sentinels = Extract<HubUrl, { t: "sentinel" }>;

function sentinelFinder(url: Sentinels, mesh: MeshDomain): ServerFinder {
  let turn = 0;
  return {
    connect: async (options) => connectTo(await askSentinels(url, options), mesh, options),
    hint: () => undefined,
    isReplaced: async (current, options) => {
      const sentinel = url.sentinels[turn % url.sentinels.length];
      turn += 1;
      if (sentinel === undefined) return false;
      const { master } = await askSentinel(sentinel, url.master, options);
      const now = formatHostPort(current);
      if (formatHostPort(master) === now) return false;
      // One that was cut off with the old master, or before an earlier election, is outvoted.
      return formatHostPort(await askSentinels(url, options)) !== now;
    },
  };
}

/** Of what the sentinels that answer say, the word of the latest election counts. */
function askSentinels(url: Sentinels, options: DialOptions): Promise<HostPort> {
  const opinions: SentinelOpinion[] = [];
  const failures: HubFailure[] = [];
  return new Promise((resolve, reject) => {
    const decide = (): void => {
      cancel();
      const latest = latestOf(opinions);
      if (latest !== undefined) return resolve(latest.master);
      reject(failures[0] ?? new HubFailure("unreachable", "no sentinel answers"));
    };
    let cancel = (): void => {};
    const settled = (): void => {
      const count = opinions.length + failures.length;
      if (count === url.sentinels.length) return decide();
      if (opinions.length === 1) cancel = options.timers.after(secondOpinionMs, decide);
    };
    for (const sentinel of url.sentinels) {
      askSentinel(sentinel, url.master, options).then(
        (opinion) => {
          opinions.push(opinion);
          settled();
        },
        (thrown: unknown) => {
          failures.push(brokenBy(thrown));
          settled();
        },
      );
    }
  });
}

async function askSentinel(
  sentinel: HostPort,
  master: string,
  options: DialOptions,
): Promise<SentinelOpinion> {
  const command: Command = ["SENTINEL", "MASTER", master];
  // Most sentinels know no users: they are told who we are only when they ask.
  const nobody = { ...options, access: { ...options.access, password: undefined } };
  const reply = await askOnce(sentinel, command, nobody).catch((thrown: unknown) => {
    const isAuthWanted = thrown instanceof HubFailure && ["NOAUTH", "NOPERM"].includes(thrown.word);
    if (isAuthWanted && options.access.password !== undefined) {
      return askOnce(sentinel, command, options);
    }
    throw thrown;
  });
  const opinion = opinionIn(reply);
  if (opinion === undefined) {
    throw new HubFailure("junk", `sentinel ${formatHostPort(sentinel)} names no address`);
  }
  return opinion;
}

function clusterFinder(seeds: readonly HostPort[], mesh: MeshDomain): ServerFinder {
  let known: readonly HostPort[] = [];
  let hinted: HostPort | undefined;
  const slot = slotOf(mesh);

  const ownerBy = async (node: HostPort, options: DialOptions): Promise<HostPort> => {
    const reply = await askOnce(node, ["CLUSTER", "SLOTS"], options);
    const range = slotRangesIn(reply, node).find(({ from, to }) => from <= slot && slot <= to);
    const [owner, ...replicas] = range?.nodes ?? [];
    if (owner === undefined) throw new HubFailure("busy", `nobody has slot ${slot} of its cluster`);
    known = [owner, ...replicas];
    return owner;
  };
  return {
    connect: async (options) => {
      const own = new AbortController();
      const inner = { ...options, signal: AbortSignal.any([options.signal, own.signal]) };
      const tried = new Map<string, Promise<HubConnection>>();
      // Several nodes may name the same owner; when they differ, whoever answers for the slot has it.
      const open = (owner: HostPort): Promise<HubConnection> => {
        const name = formatHostPort(owner);
        const attempt = tried.get(name) ?? connectTo(owner, mesh, inner);
        tried.set(name, attempt);
        return attempt;
      };
      const hint = hinted;
      hinted = undefined;
      const nodes = distinct([...known, ...seeds]).slice(0, nodesAsked);
      const attempts = nodes.map(async (node) => open(await ownerBy(node, inner)));
      if (hint !== undefined) attempts.unshift(open(hint));
      try {
        const first = await Promise.any(attempts);
        for (const attempt of tried.values()) {
          attempt.then(
            (other) => {
              if (other !== first)
                other.close(new HubFailure("other", "another node answered first"));
            },
            () => undefined,
          );
        }
        return first;
      } catch (thrown) {
        throw thrown instanceof AggregateError ? brokenBy(thrown.errors[0]) : thrown;
      } finally {
        own.abort(new HubFailure("other", "another node answered first"));
      }
    },
    hint: (movedTo, from) => {
      const at = movedTo.lastIndexOf(":");
      hinted = dialable(movedTo.slice(0, at) || from.host, Number(movedTo.slice(at + 1)));
    },
    isReplaced: undefined,
  };
}

function distinct(addresses: readonly HostPort[]): readonly HostPort[] {
  return [...new Map(addresses.map((one) => [formatHostPort(one), one])).values()];
}

/** CRC16 (XMODEM) of the hash tag, modulo 16384. Source: Redis cluster specification. */
function slotOf(mesh: MeshDomain): number {
  let crc = 0;
  for (const byte of Buffer.from(mesh)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    }
    crc &= 0xffff;
  }
  return crc % 16_384;
}
