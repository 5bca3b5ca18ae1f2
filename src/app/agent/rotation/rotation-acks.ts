import { maxLate, type RotationRecord } from "../../../discovery/shards/rotation-record.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { TrustedCharter } from "../../../trust/charter.ts";
import type { Issuer } from "../../../trust/issue.ts";
import { rootAbove } from "../../../trust/root-rotation/issuing-root.ts";
import type { ProxyRoots } from "./proxy-roots.ts";
import type { ProxyTally, SharedTally } from "./tally.ts";

export interface RotationAcksOptions {
  readonly charter: () => TrustedCharter;
  readonly issuer: () => Issuer;
  readonly proxies: () => readonly ProxyRoots[];
  /** Workloads whose proven sidecar has no stream at any agent of this member. */
  readonly silent: () => number;
  /** What the other agents of this member have seen; undefined: one of them does not say. */
  readonly elsewhere: () => readonly SharedTally[] | undefined;
  /** How many identities of the agent itself are not of its present issuer. */
  readonly ownOld: () => number;
  /** Ends a proxy's connection, so that it comes back with the certificate that it has now. */
  readonly cut: (remote: string) => void;
  /** The own member record has something new to say. */
  readonly onChange: () => void;
  readonly clock: Clock;
}

// A connection lives on the certificate that it was made with. Its launcher has handed the new one over by then.
const handoverMs = 3000;
// One whose renewal was not seen, because its launcher asks by token or at another agent, is tried from time to time.
const patienceMs = 300_000;
// Within this time proxies are back after their agent was started or hung; until then nobody knows how many there are.
const settleMs = 15_000;
// A proxy that was cut, or whose agent was slow, comes back within this time; a stopped one does not.
const returnMs = 30_000;
// A fleet's of a few days; whoever is not among them is tried from time to time.
const maxReplaced = 16_384;
// Each comes back and is told all it has: a fleet must not do so at once.
const maxCutsPerLook = 10;

/**
 * How far this member's data plane has followed a rotation of the root: what proxies have acknowledged, and
 * whose certificates are still old. Says so only while a rotation is under way.
 */
export class RotationAcks {
  readonly #options: RotationAcksOptions;
  /** Connections that acknowledged the roots of that digest; those of proxies are not told others meanwhile. */
  #acknowledged = new Map<string, string>();
  /** When (monotonic) to end each connection on an old certificate. */
  readonly #cutAtMs = new Map<string, number>();
  /** Certificates that were replaced: when, by digest. */
  readonly #replaced = new Map<string, number>();
  /** Node ids of the last look. */
  #present = new Set<string>();
  /** When (monotonic) each was first missed that was there before. */
  readonly #departed = new Map<string, number>();
  readonly #startedMs: number;
  #tally: ProxyTally = { connected: 0, acknowledged: 0, old: 0, unseen: 0, late: [] };
  #record: RotationRecord | undefined;

  constructor(options: RotationAcksOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  /** For the own member record; undefined: no rotation is under way. */
  record(): RotationRecord | undefined {
    return this.#record;
  }

  /** What this agent alone has seen, for the others of its member. */
  tally(): SharedTally {
    return { ...this.#tally, charter: this.#options.charter().charter.number };
  }

  /** A proxy got another certificate in place of this one (SHA-256 of the leaf). */
  replaced(leafSha256: string): void {
    // Also outside of a rotation: a connection that was made before lives on the old one when the next begins.
    const [oldest] = this.#replaced.keys();
    if (this.#replaced.size >= maxReplaced && oldest !== undefined) this.#replaced.delete(oldest);
    this.#replaced.set(leafSha256, this.#options.clock.monotonicMs());
  }

  /** Call each second, and when a charter came into force. */
  look(): void {
    const { charter } = this.#options.charter();
    if (charter.rotation === undefined) {
      this.#acknowledged.clear();
      this.#cutAtMs.clear();
      this.#noteDepartures(this.#options.proxies());
      return this.#say(undefined);
    }
    const proxies = this.#options.proxies();
    const old = this.#oldOnes(proxies);
    this.#noteDepartures(proxies);
    this.#tally = this.#count(proxies, old);
    const isReplacing = charter.rotationStep === "draining" || charter.rotationStep === "retiring";
    if (isReplacing) this.#cutSome(old);
    this.#say(this.#summed());
  }

  /** One that is between two streams lacks nothing by the counts, and may still use an old certificate. */
  #noteDepartures(proxies: readonly ProxyRoots[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const present = new Set(proxies.map(({ nodeId }) => nodeId));
    for (const nodeId of this.#present) {
      if (!present.has(nodeId)) this.#departed.set(nodeId, nowMs);
    }
    for (const [nodeId, atMs] of this.#departed) {
      if (present.has(nodeId) || nowMs - atMs >= returnMs) this.#departed.delete(nodeId);
    }
    this.#present = present;
  }

  /** How many may be there and are not counted. */
  #unseen(): number {
    const isFresh = this.#options.clock.monotonicMs() - this.#startedMs < settleMs;
    return this.#departed.size + (isFresh ? 1 : 0);
  }

  #oldOnes(proxies: readonly ProxyRoots[]): readonly ProxyRoots[] {
    const own = this.#options.issuer().certificate.spkiSha256;
    return proxies.filter(({ peer }) => peer !== undefined && peer.issuerSpkiSha256 !== own);
  }

  #count(proxies: readonly ProxyRoots[], old: readonly ProxyRoots[]): ProxyTally {
    const { digest } = this.#options.charter().bundle;
    const known = this.#acknowledged;
    const isDone = (proxy: ProxyRoots): boolean => {
      const key = keyOf(proxy);
      // What was acknowledged once is not taken back on that connection.
      if (known.get(key) === digest) return true;
      return proxy.hasRoots();
    };
    const done = proxies.filter(isDone);
    this.#acknowledged = new Map(done.map((proxy) => [keyOf(proxy), digest]));
    const unsure = proxies.filter((proxy) => !this.#acknowledged.has(keyOf(proxy)));
    const late = new Set([...unsure, ...old].map(({ nodeId }) => nodeId));
    return {
      connected: proxies.length,
      acknowledged: done.length,
      old: old.length,
      unseen: this.#unseen(),
      late: [...late, ...this.#departed.keys()].slice(0, maxLate),
    };
  }

  #cutSome(old: readonly ProxyRoots[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const present = new Set(old.map(({ remote }) => remote));
    for (const remote of this.#cutAtMs.keys()) {
      if (!present.has(remote)) this.#cutAtMs.delete(remote);
    }
    let cuts = 0;
    for (const { remote, peer } of old) {
      const atMs = this.#replaced.get(peer?.leafSha256 ?? "");
      const untilMs = this.#cutAtMs.get(remote) ?? nowMs + patienceMs;
      const dueMs = atMs === undefined ? untilMs : Math.min(untilMs, atMs + handoverMs);
      this.#cutAtMs.set(remote, dueMs);
      if (dueMs > nowMs || cuts >= maxCutsPerLook) continue;
      cuts += 1;
      this.#cutAtMs.delete(remote);
      this.#options.cut(remote);
    }
  }

  #summed(): RotationRecord {
    const { charter, bundle } = this.#options.charter();
    const said = this.#options.elsewhere();
    // One that has another charter speaks of other roots.
    const isSame = said?.every((one) => one.charter === charter.number) === true;
    const others = isSame ? said : undefined;
    const all = [this.#tally, ...(others ?? [])];
    const sum = (of: (one: ProxyTally) => number): number =>
      all.reduce((total, one) => total + of(one), 0);
    return {
      charter: charter.number,
      issuerRoot: rootAbove(this.#options.issuer(), bundle.roots)?.spkiSha256 ?? "",
      connected: sum(({ connected }) => connected),
      acknowledged: sum(({ acknowledged }) => acknowledged),
      // An agent that does not say may have proxies that nobody speaks for.
      silent: sum(({ unseen }) => unseen) + this.#options.silent() + (others === undefined ? 1 : 0),
      old: sum(({ old }) => old) + this.#options.ownOld(),
      late: all.flatMap(({ late }) => late).slice(0, maxLate),
    };
  }

  #say(record: RotationRecord | undefined): void {
    if (JSON.stringify(record) === JSON.stringify(this.#record)) return;
    this.#record = record;
    this.#options.onChange();
  }
}

function keyOf({ nodeId, remote }: ProxyRoots): string {
  return `${nodeId} ${remote}`;
}
