import { addRow, failuresIn, type LoadRow, loadField, loadWidth } from "./fields.ts";
import { eachRow, newPackedRows, type PackedRows, packRow, trimPacked } from "./packed.ts";

/** Whose traffic to where. */
export interface LoadKey {
  /** `namespace/name` */
  readonly service: string;
  /** Of the upstream; empty where no upstream was chosen. */
  readonly member: string;
  /** Of the upstream, as its member names it; `gateway` for a member behind its gateways. */
  readonly zone: string;
  /** Who reports: sidecars report what their callers do, gateways what arrives from other members. */
  readonly by: "sidecar" | "gateway";
}

/** One series over a span of time. */
export interface LoadSpan {
  readonly key: LoadKey;
  /** Counts over the span; `active` is the state now. */
  readonly sum: LoadRow;
  /** Begun per second, oldest first, one number for each second of the span. */
  readonly issued: number[];
  /** Failed per second in the same form. */
  readonly failed: number[];
}

export interface LoadBookLimits {
  /** What the packed history may take; beyond it the oldest minute goes. */
  readonly maxBytes: number;
  readonly maxSeries: number;
}

// A series that is busy every second takes about 25 kB for 15 min: room for 1,200 of them, and for many
// more that are not. The whole of it is only taken where there is that much traffic.
const defaultLimits: LoadBookLimits = { maxBytes: 32 * 1024 * 1024, maxSeries: 10_000 };

/** How far back the book goes. */
export const loadHistorySeconds = 900;
const minuteSeconds = 60;
const keptMinutes: number = loadHistorySeconds / minuteSeconds + 1;
// An empty packed row set, its map entry and the objects around it.
const chunkOverheadBytes = 200;
// A second is closed when the next one has ended too: reports of one second arrive within two.
const openSeconds = 2;

export interface LoadSeries {
  readonly key: LoadKey;
  active: number;
  /** By the parity of the second; all zero unless touched. */
  readonly open: readonly [LoadRow, LoadRow];
  readonly touched: [boolean, boolean];
  minutes: number;
}

interface Minute {
  readonly number: number;
  readonly chunks: Map<LoadSeries, PackedRows>;
}

/** What the book holds now. */
export interface LoadBookSize {
  readonly series: number;
  /** Packed history, with what lies around it; open seconds take 1.5 kB per series on top. */
  readonly bytes: number;
  /** How far the history goes back. */
  readonly seconds: number;
  /** Series that were not taken because there are too many. */
  readonly refused: number;
}

/**
 * Load reports of all proxies of one member in one model: service × upstream locality × second, for
 * 15 minutes. Seconds are whole ones of a monotonic clock. A report costs what it holds, a second costs
 * the series that had traffic in it, memory has a bound.
 */
export class LoadBook {
  readonly #limits: LoadBookLimits;
  readonly #series = new Map<string, LoadSeries>();
  /** By member of the upstream: members are those of the charter, so few. */
  readonly #totals = new Map<string, LoadRow>();
  readonly #touched: [Set<LoadSeries>, Set<LoadSeries>] = [new Set(), new Set()];
  #minutes: Minute[] = [];
  #bytes = 0;
  #refused = 0;
  /** The newest second that is open. */
  #second = 0;

  constructor(limits: Partial<LoadBookLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
  }

  /** Undefined: there are too many already. Hold the result no longer than the traffic lasts. */
  series(key: LoadKey): LoadSeries | undefined {
    const name = nameOf(key);
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    if (this.#series.size >= this.#limits.maxSeries) {
      this.#refused += 1;
      return undefined;
    }
    const zero = (): LoadRow => new Float64Array(loadWidth);
    const fresh: LoadSeries = {
      key,
      active: 0,
      open: [zero(), zero()],
      touched: [false, false],
      minutes: 0,
    };
    this.#series.set(name, fresh);
    return fresh;
  }

  /** Adds counts to a second; one that is closed already takes them in the oldest open one. */
  add(series: LoadSeries, counts: LoadRow, second: number): void {
    const at = Math.min(this.#second, Math.max(second, this.#second - openSeconds + 1));
    const parity = at & 1 ? 1 : 0;
    addRow(series.open[parity], counts);
    addRow(this.#totalOf(series.key.member), counts);
    if (series.touched[parity]) return;
    series.touched[parity] = true;
    this.#touched[parity].add(series);
  }

  /** What is open now at one proxy, as a difference to what it said before. */
  addActive(series: LoadSeries, change: number): void {
    series.active = Math.max(0, series.active + change);
    if (series.active === 0) this.#forgetIdle(series);
  }

  /** Time passes: closes the seconds that have ended long enough. */
  advance(second: number): void {
    // After a long sleep there is nothing between to be closed.
    if (second - this.#second > openSeconds) {
      for (let open = openSeconds - 1; open >= 0; open -= 1) this.#close(this.#second - open);
      this.#second = second;
    }
    while (this.#second < second) this.#close(++this.#second - openSeconds);
    const oldest = Math.floor(second / minuteSeconds) - keptMinutes + 1;
    while ((this.#minutes[0]?.number ?? oldest) < oldest) this.#dropOldest();
  }

  /** Sums and seconds of the `seconds` that closed last, per series that had traffic or has some open. */
  spans(query: { readonly seconds: number; readonly service?: string }): readonly LoadSpan[] {
    const seconds = Math.max(1, Math.min(query.seconds, loadHistorySeconds));
    // The last closed second is the one before the open ones.
    const from = this.#second - openSeconds + 1 - seconds;
    const spans = new Map<LoadSeries, LoadSpan>();
    const spanOf = (series: LoadSeries): LoadSpan => {
      const known = spans.get(series) ?? newSpan(series, seconds);
      spans.set(series, known);
      return known;
    };
    const isWanted = ({ key }: LoadSeries): boolean =>
      query.service === undefined || key.service === query.service;
    for (const series of this.#series.values()) {
      if (series.active > 0 && isWanted(series)) spanOf(series);
    }
    for (const { number, chunks } of this.#minutes) {
      if ((number + 1) * minuteSeconds <= from) continue;
      for (const [series, packed] of chunks) {
        if (!isWanted(series)) continue;
        eachRow(packed, (second, row) => {
          const index = number * minuteSeconds + second - from;
          if (index >= 0 && index < seconds) addSecond(spanOf(series), index, row);
        });
      }
    }
    return [...spans.values()];
  }

  /** Counts since the start by member of the upstream, and what is open to it now. */
  totals(): ReadonlyMap<string, LoadRow> {
    for (const total of this.#totals.values()) total[loadField.active] = 0;
    for (const { key, active } of this.#series.values()) {
      const total = this.#totalOf(key.member);
      total[loadField.active] = (total[loadField.active] ?? 0) + active;
    }
    return this.#totals;
  }

  size(): LoadBookSize {
    const [oldest] = this.#minutes;
    const fromSecond = oldest === undefined ? this.#second : oldest.number * minuteSeconds;
    return {
      series: this.#series.size,
      bytes: this.#bytes,
      seconds: Math.min(loadHistorySeconds, Math.max(0, this.#second - fromSecond)),
      refused: this.#refused,
    };
  }

  #totalOf(member: string): LoadRow {
    const known = this.#totals.get(member) ?? new Float64Array(loadWidth);
    this.#totals.set(member, known);
    return known;
  }

  #close(second: number): void {
    const parity = second & 1 ? 1 : 0;
    const touched = this.#touched[parity];
    if (touched.size === 0) return;
    const minute = this.#minuteOf(Math.floor(second / minuteSeconds));
    for (const series of touched) {
      const row = series.open[parity];
      row[loadField.active] = series.active;
      const packed = this.#chunkOf(minute, series);
      this.#bytes += packRow(packed, second % minuteSeconds, row);
      row.fill(0);
      series.touched[parity] = false;
    }
    touched.clear();
    while (this.#bytes > this.#limits.maxBytes && this.#minutes.length > 1) this.#dropOldest();
    // One minute alone is too much: better none of it than more than was promised.
    if (this.#bytes > this.#limits.maxBytes) this.#dropOldest();
  }

  #minuteOf(number: number): Minute {
    const last = this.#minutes.at(-1);
    if (last?.number === number) return last;
    for (const packed of last?.chunks.values() ?? []) this.#bytes -= trimPacked(packed);
    const fresh: Minute = { number, chunks: new Map() };
    this.#minutes.push(fresh);
    return fresh;
  }

  #chunkOf(minute: Minute, series: LoadSeries): PackedRows {
    const known = minute.chunks.get(series);
    if (known !== undefined) return known;
    const packed = newPackedRows();
    minute.chunks.set(series, packed);
    series.minutes += 1;
    this.#bytes += packed.bytes.length + chunkOverheadBytes;
    return packed;
  }

  #dropOldest(): void {
    const [oldest, ...younger] = this.#minutes;
    if (oldest === undefined) return;
    this.#minutes = younger;
    for (const [series, packed] of oldest.chunks) {
      this.#bytes -= packed.bytes.length + chunkOverheadBytes;
      series.minutes -= 1;
      this.#forgetIdle(series);
    }
  }

  #forgetIdle(series: LoadSeries): void {
    const isIdle = series.active === 0 && series.minutes === 0;
    if (!isIdle || series.touched[0] || series.touched[1]) return;
    this.#series.delete(nameOf(series.key));
  }
}

function newSpan(series: LoadSeries, seconds: number): LoadSpan {
  const sum = new Float64Array(loadWidth);
  sum[loadField.active] = series.active;
  const none = (): number[] => Array.from({ length: seconds }, () => 0);
  return { key: series.key, sum, issued: none(), failed: none() };
}

function addSecond(span: LoadSpan, index: number, row: LoadRow): void {
  addRow(span.sum, row);
  span.issued[index] = row[loadField.issued] ?? 0;
  span.failed[index] = failuresIn(row);
}

function nameOf({ service, member, zone, by }: LoadKey): string {
  return `${service} ${member}/${zone} ${by}`;
}
