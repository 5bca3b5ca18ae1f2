export type MetricKind = "counter" | "gauge" | "histogram";

/** The values a label may have, or whose names bound it. Nothing else is ever a label. */
export type LabelValues =
  | readonly string[]
  | "members of the charter"
  | "hubs of the configuration";

export interface MetricDeclaration<
  Kind extends MetricKind = MetricKind,
  Label extends string = string,
> {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  readonly unit: "1" | "seconds" | "bytes" | "unix seconds";
  /** Which processes have it. */
  readonly of: "agent" | "engine" | "both";
  readonly labels: Readonly<Record<Label, LabelValues>>;
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}
