import { formatHostPort, type HostPort, parseHostPort } from "../../../../../mesh/address.ts";

/** What one sentinel says of the master that it watches. */
export interface SentinelOpinion {
  readonly master: HostPort;
  /** Of the election that made it the master: where sentinels differ, the highest counts. */
  readonly epoch: number;
  readonly otherSentinels: number;
  readonly quorum: number;
}

export interface SlotRange {
  readonly from: number;
  readonly to: number;
  /** The owner first, then its replicas. */
  readonly nodes: readonly HostPort[];
}

/** An owner and its replicas; whoever names more is somebody else. */
const maxNodesPerRange = 9;
/** SENTINEL MASTER has some forty fields. */
const maxFields = 256;

/** Reads the reply of SENTINEL MASTER; undefined when it names no address that can be dialled. */
export function opinionIn(reply: unknown): SentinelOpinion | undefined {
  const flat: readonly unknown[] = Array.isArray(reply) ? reply.slice(0, 2 * maxFields) : [];
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < flat.length; at += 2) {
    fields.set(String(flat[at]), String(flat[at + 1]));
  }
  const master = dialable(fields.get("ip") ?? "", Number(fields.get("port")));
  if (master === undefined) return undefined;
  const number = (name: string): number => Number(fields.get(name) ?? 0) || 0;
  return {
    master,
    epoch: number("config-epoch"),
    otherSentinels: number("num-other-sentinels"),
    quorum: number("quorum"),
  };
}

/** The one of the latest election; undefined when nobody has an opinion. */
export function latestOf<Opinion extends Pick<SentinelOpinion, "epoch">>(
  opinions: readonly Opinion[],
): Opinion | undefined {
  return opinions.toSorted((left, right) => right.epoch - left.epoch)[0];
}

/** Source: redis.io/docs, CLUSTER SLOTS. An empty or unknown host means the node that was asked. */
export function slotRangesIn(reply: unknown, asked: HostPort): readonly SlotRange[] {
  const rows: readonly unknown[] = Array.isArray(reply) ? reply.slice(0, 16_384) : [];
  return rows.flatMap((row) => {
    const [from, to, ...nodes]: readonly unknown[] = Array.isArray(row) ? row : [];
    if (typeof from !== "number" || typeof to !== "number") return [];
    const addresses = nodes.slice(0, maxNodesPerRange).flatMap((node) => {
      const [host, port]: readonly unknown[] = Array.isArray(node) ? node : [];
      const text = typeof host === "string" || Buffer.isBuffer(host) ? host.toString() : "";
      return dialable(text === "" || text === "?" ? asked.host : text, Number(port)) ?? [];
    });
    return [{ from, to, nodes: addresses }];
  });
}

/** Undefined for what nobody can dial: the text comes from a server. */
export function dialable(host: string, port: number): HostPort | undefined {
  try {
    const address = parseHostPort(formatHostPort({ host, port }));
    return address.port === 0 ? undefined : address;
  } catch {
    return undefined;
  }
}
