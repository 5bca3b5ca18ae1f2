import { isIp } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import type { KnownHost } from "../remote/host-answer.ts";
import { addressesOf, afterAnswer, askAgainInMs, unknownHost } from "../remote/host-answer.ts";
import type { ResolveHost } from "./resolve-host.ts";
import { createHostResolver } from "./resolve-host.ts";

export interface AddressWatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called when the addresses of some host changed. */
  readonly onChange: (host: string) => void;
  /** Default: hosts file, DNS, system. */
  readonly resolve?: ResolveHost;
}

interface Watched {
  known: KnownHost;
  timer: NodeJS.Timeout | undefined;
}

// Members may state many names, and a DNS may say something else each second.
const newsLogs: AdmissionLimits = { perSecond: 1, burst: 20 };

/** Keeps the addresses of gateways that publish a name. An IP literal is its own answer. */
export class AddressWatch implements Disposable {
  readonly #options: AddressWatchOptions;
  readonly #resolve: ResolveHost;
  readonly #watched = new Map<string, Watched>();
  readonly #owned = new DisposableStack();
  readonly #logs: Admission;

  constructor(options: AddressWatchOptions) {
    this.#options = options;
    this.#logs = new Admission(newsLogs, options.clock.monotonicMs());
    this.#resolve = options.resolve ?? this.#owned.use(createHostResolver()).resolve;
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
      const watched: Watched = { known: unknownHost, timer: undefined };
      this.#watched.set(host, watched);
      this.#start(host, watched);
    }
  }

  /** Sorted within each family; empty until a name's first answer. */
  addressesOf(host: string): readonly string[] {
    return isIp(host) ? [host] : addressesOf(this.#watched.get(host)?.known ?? unknownHost);
  }

  /** Undefined for an IP literal and for a name that is not watched. */
  known(host: string): KnownHost | undefined {
    return this.#watched.get(host)?.known;
  }

  [Symbol.dispose](): void {
    this.setHosts([]);
    this.#owned.dispose();
  }

  #start(host: string, watched: Watched): void {
    this.#refresh(host, watched).catch((error: unknown) => {
      this.#options.log.error({ err: error, name: host }, "Address watch broke");
    });
  }

  async #refresh(host: string, watched: Watched): Promise<void> {
    const { clock, random, log, onChange } = this.#options;
    const answer = await this.#resolve(host).catch(failedAnswer);
    if (this.#watched.get(host) !== watched) return;
    const before = watched.known;
    const known = afterAnswer(before, answer, clock.monotonicMs());
    watched.known = known;
    const waitMs = askAgainInMs({ answer, failures: known.failures, random: random() });
    watched.timer = setTimeout(() => this.#start(host, watched), waitMs);
    watched.timer.unref();
    const isChanged = addressesOf(before).join() !== addressesOf(known).join();
    const isNews =
      isChanged || known.failures === 1 || (before.failures > 0 && known.failures === 0);
    if (isNews && this.#logs.take(clock.monotonicMs())) tell(log, { host, before, known });
    if (isChanged) onChange(host);
  }
}

function tell(
  log: Log,
  { host, before, known }: { host: string; before: KnownHost; known: KnownHost },
): void {
  if (known.failures === 1) {
    const fields = { name: host, reason: known.failing?.reason };
    log.warn(fields, "Cannot resolve a gateway, last answer stays");
  } else if (before.failures > 0 && known.failures === 0) {
    log.info({ name: host }, "Gateway resolves again");
  }
  if (addressesOf(before).join() === addressesOf(known).join()) return;
  log.info({ name: host, count: addressesOf(known).length }, "Gateway has other addresses");
}

function failedAnswer(thrown: unknown): Awaited<ReturnType<ResolveHost>> {
  const failed = { t: "failed", reason: reasonOf(thrown) } as const;
  return { v4: failed, v6: failed };
}
