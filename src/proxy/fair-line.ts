/**
 * Those who wait to be let in, each in the lane of its identity; lanes take turns. In one line for all, whoever
 * comes with thousands of streams would be served before everybody who comes after.
 */
export class FairLine<Item> {
  readonly #most: { readonly inAll: number; readonly perLane: number };
  /** In the order of their turns; each in the order of arrival, with its time. */
  readonly #lanes = new Map<string, Map<Item, number>>();
  readonly #laneOf = new Map<Item, string>();

  constructor(most: { readonly inAll: number; readonly perLane: number }) {
    this.#most = most;
  }

  get size(): number {
    return this.#laneOf.size;
  }

  /** False: there is no room for it. */
  enter(item: Item, at: { readonly lane: string; readonly nowMs: number }): boolean {
    const lane = this.#lanes.get(at.lane) ?? new Map<Item, number>();
    if (this.size >= this.#most.inAll || lane.size >= this.#most.perLane) return false;
    lane.set(item, at.nowMs);
    this.#lanes.set(at.lane, lane);
    this.#laneOf.set(item, at.lane);
    return true;
  }

  /** Takes out the next. */
  next(): Item | undefined {
    for (const [name, lane] of this.#lanes) {
      const [item] = lane.keys();
      this.#lanes.delete(name);
      if (item === undefined) continue;
      this.#lanes.set(name, lane);
      this.delete(item);
      return item;
    }
    return undefined;
  }

  delete(item: Item): void {
    const name = this.#laneOf.get(item);
    if (name === undefined) return;
    this.#laneOf.delete(item);
    const lane = this.#lanes.get(name);
    lane?.delete(item);
    if (lane?.size === 0) this.#lanes.delete(name);
  }

  /** Those that came at that time or before. */
  waitingSince(atMs: number): readonly Item[] {
    return [...this.#lanes.values()].flatMap((lane) =>
      [...lane].flatMap(([item, sinceMs]) => (sinceMs <= atMs ? [item] : [])),
    );
  }
}
