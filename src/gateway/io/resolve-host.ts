import { lookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIp, parseIp } from "../../mesh/address.ts";
import { codeOf, reasonOf } from "../../mesh/errors.ts";
import type { FamilyAnswer, HostAnswer } from "../remote/host-answer.ts";

/** Never rejects: what went wrong is part of the answer. */
export type ResolveHost = (host: string) => Promise<HostAnswer>;

export interface HostResolver extends Disposable {
  readonly resolve: ResolveHost;
}

export interface HostResolverOptions {
  /** `ip:port` of DNS servers. Default: those of the system. */
  readonly servers?: readonly string[];
  /** Default: the system's. */
  readonly hostsFile?: string;
  /** What the system makes of a name that DNS does not know; default: its own resolver. */
  readonly bySystem?: (host: string) => Promise<readonly string[]>;
  /** Of one try. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 2_000;
const tries = 2;
// Whatever retries and fallbacks add up to: by then the next question is due.
const maxTotalMs = 5_000;
const defaultHostsFile = "/etc/hosts";
// Neither the hosts file nor the system's resolver names a life; the file costs nothing to read.
const hostsFileTtlSeconds = 5;
const systemTtlSeconds = 30;

/**
 * Resolves as the system would, but with the records' lives: the hosts file first, then DNS for both
 * families (the name taken as it stands), then, for names that DNS does not have, the system's own
 * resolver with its search domains.
 */
export function createHostResolver(options: HostResolverOptions = {}): HostResolver {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const bySystem = options.bySystem ?? oneAtATime(lookupBySystem);
  const asking = new Set<Resolver>();
  const askDns = async (host: string): Promise<HostAnswer> => {
    // One each: a resolver whose question is called off calls off all of its questions.
    const resolver = new Resolver({ timeout: timeoutMs, tries, maxTimeout: timeoutMs });
    if (options.servers !== undefined) resolver.setServers(options.servers);
    const timer = setTimeout(() => resolver.cancel(), maxTotalMs);
    asking.add(resolver);
    try {
      const [v4, v6] = await Promise.all([
        familyOf(resolver.resolve4(host, { ttl: true })),
        familyOf(resolver.resolve6(host, { ttl: true })),
      ]);
      return { v4, v6 };
    } finally {
      clearTimeout(timer);
      asking.delete(resolver);
    }
  };
  return {
    resolve: async (host) => {
      const listed = await inHostsFile(options.hostsFile ?? defaultHostsFile, host);
      if (listed.length > 0) return split(listed, hostsFileTtlSeconds);
      const answer = await askDns(host);
      const isUnknown = answer.v4.t === "none" && answer.v6.t === "none";
      // A final dot says that no search domain is meant.
      if (!isUnknown || host.endsWith(".")) return answer;
      try {
        return split(await bySystem(host), systemTtlSeconds);
      } catch {
        return answer;
      }
    },
    [Symbol.dispose]: () => {
      for (const resolver of asking) resolver.cancel();
    },
  };
}

async function familyOf(
  records: Promise<readonly { readonly address: string; readonly ttl: number }[]>,
): Promise<FamilyAnswer> {
  try {
    const found = await records;
    if (found.length === 0) return { t: "none" };
    return {
      t: "records",
      addresses: found.map(({ address }) => address),
      ttlSeconds: Math.min(...found.map(({ ttl }) => ttl)),
    };
  } catch (thrown) {
    const code = codeOf(thrown) ?? "";
    if (code === "ENODATA" || code === "ENOTFOUND") return { t: "none" };
    return { t: "failed", reason: reasons[code] ?? reasonOf(thrown) };
  }
}

const reasons: Readonly<Record<string, string>> = {
  EBADRESP: "the DNS server's answer is malformed",
  ECANCELLED: "the DNS server does not answer in time",
  ECONNREFUSED: "no DNS server can be reached",
  EREFUSED: "the DNS server refuses to answer",
  ESERVFAIL: "the DNS server reports a failure of its own",
  ETIMEOUT: "the DNS server does not answer in time",
};

function split(addresses: readonly string[], ttlSeconds: number): HostAnswer {
  const family = (bits: 32 | 128): FamilyAnswer => {
    const found = addresses.filter((address) => parseIp(address)?.bits === bits);
    if (found.length === 0) return { t: "none" };
    return { t: "records", addresses: found, ttlSeconds };
  };
  return { v4: family(32), v6: family(128) };
}

/** Addresses of the name in a file such as /etc/hosts; without the file, none. */
async function inHostsFile(file: string, host: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const wanted = host.toLowerCase();
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    return isIp(address) && names.some((name) => name.toLowerCase() === wanted) ? [address] : [];
  });
}

async function lookupBySystem(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

/**
 * The system's resolver blocks one of four threads that also write files, for as long as a broken
 * resolver likes: it gets one of them at most.
 */
function oneAtATime(
  ask: (host: string) => Promise<readonly string[]>,
): (host: string) => Promise<readonly string[]> {
  let last: Promise<unknown> = Promise.resolve();
  return (host) => {
    const next = last.then(() => ask(host));
    last = next.catch(() => undefined);
    return next;
  };
}
