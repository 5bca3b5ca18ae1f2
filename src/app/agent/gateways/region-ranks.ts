import type { ProbeReport } from "../../../gateway/io/prober.ts";
import {
  emptyRanks,
  type MeasuredRegion,
  rankOf,
  rankRegions,
} from "../../../gateway/remote/rtt-rank.ts";
import { type Charter, charterMember } from "../../../mesh/charter.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Random } from "../../../mesh/ports.ts";

export interface RegionRanksOptions {
  readonly self: MemberName;
  readonly charter: () => Charter;
  /** Members that may have a rank. */
  readonly others: () => readonly MemberName[];
  readonly reports: () => readonly ProbeReport[];
  /** Whether some member is held for dead now. */
  readonly isFailover: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Called for `rerankSoon`, with those whose rank is another one now. */
  readonly onMoved: (members: readonly MemberName[]) => void;
}

// One first sample, taken while everything starts, would be kept for ten minutes: until then an order
// that was just guessed gives way at once.
const guessMs = 30_000;
// How long further gateways may be found before their regions get a place among those known.
const rerankAfterMs = 200;

/** Which of the other regions is nearest, as probes measured it; members stand where their region does. */
export class RegionRanks implements Disposable {
  readonly #options: RegionRanksOptions;
  readonly #random: number;
  readonly #startedAtMs: number;
  #ranks = emptyRanks;
  #soon: NodeJS.Timeout | undefined;

  constructor(options: RegionRanksOptions) {
    this.#options = options;
    this.#random = options.random();
    this.#startedAtMs = options.clock.monotonicMs();
  }

  /** 1 is nearest. */
  rankOf(member: MemberName): number {
    return rankOf(this.#ranks, this.#regionOf(member));
  }

  /** Returns those whose rank is another one now. */
  rerank(): readonly MemberName[] {
    const { self, charter, others, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const own = charterMember(charter(), self);
    const before = this.#ranks;
    const isFailover = this.#options.isFailover();
    const isGuess = nowMs - this.#startedAtMs < guessMs && !isFailover;
    this.#ranks = rankRegions(before, this.#regions(), {
      nowMs,
      ownCloud: own?.cloud ?? "",
      random: this.#random,
      isFailover,
      isGuess,
    });
    if (before.order.join() === this.#ranks.order.join()) return [];
    return others().filter((member) => {
      const region = this.#regionOf(member);
      return rankOf(before, region) !== rankOf(this.#ranks, region);
    });
  }

  /** All gateways of a mesh are found at once when an agent starts: each new order touches all services. */
  rerankSoon(): void {
    if (this.#soon !== undefined) return;
    const rerank = (): void => {
      this.#soon = undefined;
      const moved = this.rerank();
      if (moved.length > 0) this.#options.onMoved(moved);
    };
    this.#soon = setTimeout(rerank, this.#ranks.order.length === 0 ? 0 : rerankAfterMs);
    this.#soon.unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#soon);
  }

  #regions(): readonly MeasuredRegion[] {
    const { self, charter, reports } = this.#options;
    const nearest = new Map<string, MeasuredRegion>();
    const measured = nearestGateways(reports());
    for (const { name, cloud } of charter().members) {
      if (name === self) continue;
      const key = this.#regionOf(name);
      const known = nearest.get(key)?.rttMs;
      const own = measured.get(name);
      const rttMs = known === undefined || (own !== undefined && own < known) ? own : known;
      nearest.set(key, { key, cloud, ...(rttMs === undefined ? {} : { rttMs }) });
    }
    return [...nearest.values()];
  }

  #regionOf(member: MemberName): string {
    const entry = charterMember(this.#options.charter(), member);
    return `${entry?.cloud ?? ""}/${entry?.region ?? ""}`;
  }
}

/** Round trip to each member's nearest gateway, in ms. */
export function nearestGateways(reports: readonly ProbeReport[]): ReadonlyMap<MemberName, number> {
  const nearest = new Map<MemberName, number>();
  for (const { member, rttMs } of reports) {
    if (rttMs === undefined) continue;
    nearest.set(member, Math.min(rttMs, nearest.get(member) ?? rttMs));
  }
  return nearest;
}
