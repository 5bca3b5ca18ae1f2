// A server of ours answers with 6 kB; one of somebody else may answer with anything.
const maxInfoLength = 262_144;
const maxValueLength = 256;

/** The fields of all sections of INFO. What is out of bounds is left out. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.slice(0, maxInfoLength).split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0 || line.startsWith("#")) continue;
    fields.set(
      line.slice(0, colon),
      line
        .slice(colon + 1)
        .trimEnd()
        .slice(0, maxValueLength),
    );
  }
  return fields;
}

/** Undefined for anything but a decimal number. */
export function numberIn(fields: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = fields.get(name);
  return text !== undefined && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(text) ? Number(text) : undefined;
}

export interface Product {
  /** `Redis`, `Valkey`, … */
  readonly name: string;
  /** Its own version. */
  readonly version: string;
  /** Major and minor of the Redis that it behaves like. */
  readonly like: readonly [number, number];
}

const forks = [
  ["valkey_version", "Valkey"],
  ["dragonfly_version", "Dragonfly"],
  ["garnet_version", "Garnet"],
] as const;

/** Forks keep `redis_version` for compatibility and tell their own beside it. */
export function productOf(info: ReadonlyMap<string, string>): Product | undefined {
  const redis = info.get("redis_version") ?? "";
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})/.exec(redis) ?? [];
  if (major === undefined) return undefined;
  const like = [Number(major), Number(minor)] as const;
  const fork = forks.find(([field]) => info.has(field));
  return fork === undefined
    ? { name: "Redis", version: redis, like }
    : { name: fork[1], version: info.get(fork[0]) ?? "", like };
}

export function isOlder(
  version: readonly [number, number],
  than: readonly [number, number],
): boolean {
  return version[0] === than[0] ? version[1] < than[1] : version[0] < than[0];
}

/** `slave0:ip=127.0.0.1,port=7001,state=online,…` */
export function replicasIn(
  info: ReadonlyMap<string, string>,
): readonly { readonly host: string; readonly port: number; readonly isOnline: boolean }[] {
  const count = Math.min(numberIn(info, "connected_slaves") ?? 0, 16);
  return Array.from({ length: count }, (_, index) => info.get(`slave${index}`) ?? "").flatMap(
    (line) => {
      const fields = new Map(line.split(",").map((pair) => pairOf(pair)));
      const [host = "", port] = [fields.get("ip"), Number(fields.get("port"))];
      if (host === "" || !Number.isInteger(port) || port < 1 || port > 65_535) return [];
      return [{ host, port, isOnline: fields.get("state") === "online" }];
    },
  );
}

function pairOf(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}
