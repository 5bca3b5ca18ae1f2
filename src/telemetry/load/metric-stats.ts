import { errorField, type LoadError, loadErrors, loadField } from "./fields.ts";
import { latencyBuckets } from "./latency.ts";

/**
 * What our engine adds to a load report as `load_metric_stats`, which any LRS server may ignore: LRS
 * itself has no bytes, no latency and one number for all errors.
 */
export interface MetricStat {
  readonly name: string;
  /** Index in a load row. */
  readonly field: number;
  /** Which of the two numbers of a stat says it. */
  readonly in: "count" | "total";
  /**
   * Of bytes, which are told in one of two ways: whether they prove that this very upstream sent some. An
   * Envoy counts bytes of all members of a service together.
   */
  readonly proves?: boolean;
}

// No caller and no upstream: LRS counts those as dropped requests of the whole cluster.
const droppedKinds: readonly LoadError[] = ["no-host", "over-limit"];

/** By name. */
export const metricStats: ReadonlyMap<string, MetricStat> = new Map(
  [
    { name: "isthmus.bytes_in", field: loadField.bytesIn, in: "total" as const, proves: true },
    {
      name: "isthmus.bytes_in_shared",
      field: loadField.bytesIn,
      in: "total" as const,
      proves: false,
    },
    { name: "isthmus.bytes_out", field: loadField.bytesOut, in: "total" as const },
    ...loadErrors
      .filter((kind) => !droppedKinds.includes(kind))
      .map((kind) => countOf(`isthmus.error.${kind}`, errorField(kind))),
    ...histogram("isthmus.connect", loadField.connect),
    ...histogram("isthmus.first_byte", loadField.firstByte),
  ].map((stat) => [stat.name, stat]),
);

function histogram(name: string, from: number): readonly MetricStat[] {
  return Array.from({ length: latencyBuckets }, (_, bucket) =>
    countOf(`${name}.${bucket}`, from + bucket),
  );
}

function countOf(name: string, field: number): MetricStat {
  return { name, field, in: "count" };
}
