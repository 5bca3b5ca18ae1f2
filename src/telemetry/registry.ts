import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { MetricDeclaration } from "./metrics/declaration.ts";
import { type MetricKey, metrics } from "./metrics/metrics.ts";

type Labels<Key extends MetricKey> = {
  readonly [Label in keyof (typeof metrics)[Key]["labels"]]: string;
};
type KeysOf<Kind> = {
  [Key in MetricKey]: (typeof metrics)[Key]["kind"] extends Kind ? Key : never;
}[MetricKey];

/** The metrics of one process, or of one agent where several share a process. */
export interface Telemetry {
  readonly count: <Key extends KeysOf<"counter">>(
    key: Key,
    labels: Labels<Key>,
    by?: number,
  ) => void;
  readonly set: <Key extends KeysOf<"gauge">>(key: Key, labels: Labels<Key>, value: number) => void;
  /** For a total that somebody else counts. */
  readonly total: <Key extends KeysOf<"counter">>(
    key: Key,
    labels: Labels<Key>,
    value: number,
  ) => void;
  readonly observe: <Key extends KeysOf<"histogram">>(
    key: Key,
    labels: Labels<Key>,
    value: number,
  ) => void;
  /** Calls back before each scrape, for values that are cheaper to look up than to follow. */
  readonly onScrape: (collect: () => void | Promise<void>) => void;
  /** Text exposition format. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
  /** For metrics that are not ours, such as those of Node itself. */
  readonly registry: Registry;
}

export function createTelemetry(of: "agent" | "engine"): Telemetry {
  const registry = new Registry();
  const counters = new Map<MetricKey, Counter>();
  const gauges = new Map<MetricKey, Gauge>();
  const histograms = new Map<MetricKey, Histogram>();
  const totals = new Map<string, number>();
  const collectors: (() => void | Promise<void>)[] = [];
  for (const [key, declared] of Object.entries(metrics) as [MetricKey, MetricDeclaration][]) {
    if (declared.of !== "both" && declared.of !== of) continue;
    const options = {
      name: declared.name,
      help: declared.help,
      labelNames: Object.keys(declared.labels),
      registers: [registry],
    };
    if (declared.kind === "counter") counters.set(key, new Counter(options));
    else if (declared.kind === "gauge") gauges.set(key, new Gauge(options));
    else {
      histograms.set(key, new Histogram({ ...options, buckets: [...(declared.buckets ?? [])] }));
    }
  }
  for (const [key, counter] of counters) for (const each of closedLabels(key)) counter.inc(each, 0);
  return {
    count: (key, labels, by = 1) => counters.get(key)?.inc(bounded(key, labels), by),
    set: (key, labels, value) => gauges.get(key)?.set(bounded(key, labels), value),
    total: (key, labels, value) => {
      const counter = counters.get(key);
      const own = bounded(key, labels);
      const mark = `${key} ${JSON.stringify(own)}`;
      const before = totals.get(mark) ?? 0;
      totals.set(mark, value);
      // A worker that was replaced starts anew; a counter never goes back.
      if (value > before) counter?.inc(own, value - before);
    },
    observe: (key, labels, value) => histograms.get(key)?.observe(bounded(key, labels), value),
    onScrape: (collect) => collectors.push(collect),
    render: async () => {
      await Promise.all(collectors.map(async (collect) => collect()));
      return registry.metrics();
    },
    contentType: registry.contentType,
    registry,
  };
}

/** A series that starts to exist with its first error hides that error from `rate()`. */
function closedLabels(key: MetricKey): readonly Record<string, string>[] {
  const sets = Object.entries<unknown>(metrics[key].labels);
  if (sets.some(([, values]) => !Array.isArray(values) || values.length === 0)) return [];
  return sets.reduce<Record<string, string>[]>(
    (rows, [label, values]) =>
      rows.flatMap((row) =>
        (values as readonly string[]).map((value) => ({ ...row, [label]: value })),
      ),
    [{}],
  );
}

/** What is not on a closed list becomes `other`: no input ever makes a new series. */
function bounded(key: MetricKey, labels: object): Record<string, string> {
  const declared: MetricDeclaration["labels"] = metrics[key].labels;
  const entries = Object.entries(labels as Record<string, string>).map(([label, value]) => {
    const values = declared[label];
    const isOpen = values === undefined || typeof values === "string" || values.length === 0;
    return [label, isOpen || values.includes(value) ? value : "other"] as const;
  });
  return Object.fromEntries(entries);
}
