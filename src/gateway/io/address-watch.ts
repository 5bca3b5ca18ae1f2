import { lookup, Resolver } from "node:dns/promises";
import { isIp } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { Log } from "../../mesh/ports.ts";

/** What a name stands for at the moment. */
export interface Resolved {
  /** IP literals, v4 and v6. */
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** Rejects when the name cannot be resolved. */
export type Resolve = (host: string) => Promise<Resolved>;

export interface AddressWatchOptions {
  readonly log: Log;
  /** Called when the addresses of some host changed. */
  readonly onChange: (host: string) => void;
  /** Default: DNS, A and AAAA. */
  readonly resolve?: Resolve;
}

interface Watched {
  addresses: readonly string[];
  timer: NodeJS.Timeout | undefined;
  isFailing: boolean;
}

/** Keeps the addresses of gateways that publish a name. An IP literal is its own answer. */
export class AddressWatch implements Disposable {
  readonly #options: AddressWatchOptions;
  readonly #resolve: Resolve;
  readonly #watched = new Map<string, Watched>();

  constructor(options: AddressWatchOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? resolveByDns;
  }

  /** Replaces the whole list; what stays keeps its last answer. */
  setHosts(hosts: Iterable<string>): void {
    const names = new Set([...hosts].filter((host) => !isIp(host)));
    for (const [host, watched] of this.#watched) {
      if (names.has(host)) continue;
      clearTimeout(watched.timer);
      this.#watched.delete(host);
    }
    for (const host of names) {
      if (this.#watched.has(host)) continue;
      const watched: Watched = { addresses: [], timer: undefined, isFailing: false };
      this.#watched.set(host, watched);
      this.#start(host, watched);
    }
  }

  /** Sorted; empty until a name's first answer. */
  addressesOf(host: string): readonly string[] {
    return isIp(host) ? [host] : (this.#watched.get(host)?.addresses ?? []);
  }

  [Symbol.dispose](): void {
    this.setHosts([]);
  }

  #start(host: string, watched: Watched): void {
    this.#refresh(host, watched).catch((error: unknown) => {
      this.#options.log.error({ err: error, name: host }, "Address watch broke");
    });
  }

  async #refresh(host: string, watched: Watched): Promise<void> {
    const ttlSeconds = await this.#answer(host, watched);
    if (this.#watched.get(host) !== watched) return;
    watched.timer = setTimeout(() => this.#start(host, watched), clampTtl(ttlSeconds) * 1_000);
    watched.timer.unref();
  }

  /** A name that stops resolving keeps its last answer: DNS is not a health check. */
  async #answer(host: string, watched: Watched): Promise<number> {
    try {
      const { addresses, ttlSeconds } = await this.#resolve(host);
      watched.isFailing = false;
      this.#take(host, { watched, addresses });
      return ttlSeconds;
    } catch (error) {
      const fields = { name: host, reason: reasonOf(error) };
      if (!watched.isFailing)
        this.#options.log.warn(fields, "Cannot resolve a gateway, last answer stays");
      watched.isFailing = true;
      return retrySeconds;
    }
  }

  #take(
    host: string,
    answer: { readonly watched: Watched; readonly addresses: readonly string[] },
  ): void {
    const { watched } = answer;
    const addresses = [...new Set(answer.addresses)].sort().slice(0, maxAddresses);
    const isSame = addresses.join() === watched.addresses.join();
    if (addresses.length === 0 || isSame || this.#watched.get(host) !== watched) return;
    watched.addresses = addresses;
    this.#options.onChange(host);
  }
}

const retrySeconds = 5;
// A load balancer has a few addresses; a name with hundreds would cost a probe a second each.
const maxAddresses = 16;

/** Zero would be a busy loop, and an hour would outlive the gateway. */
function clampTtl(ttlSeconds: number): number {
  return Math.min(60, Math.max(1, ttlSeconds));
}

// Names of the hosts file are not in DNS and have no TTL.
const hostsFileTtlSeconds = 30;

async function resolveByDns(host: string): Promise<Resolved> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const answers = await Promise.allSettled([
    resolver.resolve4(host, { ttl: true }),
    resolver.resolve6(host, { ttl: true }),
  ]);
  // Half an answer would take away the other family's addresses.
  const broken = answers.find(
    (answer) => answer.status === "rejected" && !isNoSuchRecord(answer.reason),
  );
  if (broken?.status === "rejected") throw broken.reason;
  const records = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (records.length === 0) return resolveBySystem(host);
  return {
    addresses: records.map((record) => record.address),
    ttlSeconds: Math.min(...records.map((record) => record.ttl)),
  };
}

function isNoSuchRecord(reason: unknown): boolean {
  const code = reason instanceof Error && "code" in reason ? reason.code : undefined;
  return code === "ENODATA" || code === "ENOTFOUND";
}

async function resolveBySystem(host: string): Promise<Resolved> {
  const records = await lookup(host, { all: true });
  return { addresses: records.map(({ address }) => address), ttlSeconds: hostsFileTtlSeconds };
}
