import {
  readCounters,
  readHistograms,
  readHosts,
} from "../../../../../src/app/launcher/envoy/load/admin-text.ts";
import type { EnvoyReading } from "../../../../../src/app/launcher/envoy/load/envoy-loads.ts";
import type { TakenLoad } from "../../../../../src/dataplane/load.ts";
import {
  errorField,
  type LoadError,
  loadErrors,
  loadField,
} from "../../../../../src/telemetry/load/fields.ts";
import { latencyBuckets } from "../../../../../src/telemetry/load/latency.ts";

export const cart = "outbound|80||cart.shop.svc.cluster.local";

/** One cluster as an Envoy would show it. */
export interface Shown {
  readonly name?: string;
  readonly counters?: Readonly<Record<string, number>>;
  /** By address. */
  readonly hosts?: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  /** By bound in milliseconds, since the start. */
  readonly histograms?: Readonly<Record<string, Readonly<Record<number, number>>>>;
}

/** Goes through the text of Envoy's admin interface. */
export function reading(...clusters: readonly Shown[]): EnvoyReading {
  return {
    counters: readCounters(clusters.map(countersText).join("")),
    hosts: readHosts(clusters.map(hostsText).join("")),
    histograms: readHistograms(clusters.map(histogramsText).join("")),
  };
}

function countersText({ name = cart, counters = {} }: Shown): string {
  return lines(counters, (stat, total) => `cluster.${name}.${stat}: ${total}`);
}

function hostsText({ name = cart, hosts = {} }: Shown): string {
  const head = `${name}::observability_name::${name}\n${name}::default_priority::max_connections::1024\n`;
  return (
    head +
    lines(hosts, (address, values) =>
      lines({ hostname: "", priority: 0, ...values }, (key, value) =>
        [name, address, key, value].join("::"),
      ).trimEnd(),
    )
  );
}

function histogramsText({ name = cart, histograms = {} }: Shown): string {
  return lines(histograms, (stat, buckets) => {
    const told = Object.entries(buckets).map(([bound, count]) => `B${bound}(0,${count})`);
    return `cluster.${name}.${stat}: ${told.join(" ")}`;
  });
}

function lines<Value>(
  values: Readonly<Record<string, Value>>,
  line: (key: string, value: Value) => string,
): string {
  return Object.entries(values)
    .map(([key, value]) => `${line(key, value)}\n`)
    .join("");
}

/** What was told of one place, added up; histograms as how many they count. */
export type Sums = Partial<
  Record<LoadError | Exclude<keyof typeof loadField, "active">, number>
> & { readonly active?: number };

/** Rows by `zone`, as an agent would add them up; those without any count are left out. */
export function sumsOf(loads: readonly TakenLoad[]): Readonly<Record<string, Sums>> {
  const sums: Record<string, Record<string, number>> = {};
  for (const { locality, row } of loads) {
    const zone = locality?.split("|")[1] ?? "none";
    const sum = (sums[zone] ??= {});
    const add = (key: string, value: number): void => {
      if (value !== 0) sum[key] = (sum[key] ?? 0) + value;
    };
    for (const kind of loadErrors) add(kind, row[errorField(kind)] ?? 0);
    for (const key of ["issued", "ok", "bytesIn", "bytesOut"] as const)
      add(key, row[loadField[key]] ?? 0);
    for (const key of ["connect", "firstByte"] as const) {
      for (let at = 0; at < latencyBuckets; at += 1) add(key, row[loadField[key] + at] ?? 0);
    }
    sum["active"] = row[loadField.active] ?? 0;
  }
  return sums;
}
