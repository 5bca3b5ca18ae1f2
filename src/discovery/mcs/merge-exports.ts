import type { MemberName } from "../../mesh/ids.ts";
import type { ObjectMetadata } from "../../mesh/object-metadata.ts";
import type { ServicePort, ServiceType, TrafficTerms } from "../../mesh/service.ts";
import { byAge, type Constituent } from "./constituents.ts";

/** Reasons of a ServiceExport's Conflict condition. Source: mcs-api v1beta1. */
export type ConflictReason =
  | "PortConflict"
  | "TypeConflict"
  | "SessionAffinityConflict"
  | "SessionAffinityConfigConflict"
  | "InternalTrafficPolicyConflict"
  | "TrafficDistributionConflict"
  | "LabelsConflict"
  | "AnnotationsConflict";

export interface Conflict {
  readonly reason: ConflictReason;
  readonly message: string;
}

/** What one ServiceImport says, and where its exporters disagree. */
export interface MergedExports {
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  readonly traffic: TrafficTerms;
  readonly labels: ObjectMetadata;
  readonly annotations: ObjectMetadata;
  /** Sorted by name. */
  readonly members: readonly MemberName[];
  readonly conflicts: readonly Conflict[];
}

/**
 * One import out of all exports: the oldest one's word counts, and ports are the union of all. Undefined
 * without any export. Source: KEP-1645, conflict resolution.
 */
export function mergeExports(exports: readonly Constituent[]): MergedExports | undefined {
  const ranked = [...exports].sort(byAge);
  const [oldest] = ranked;
  if (oldest === undefined) return undefined;
  const { type, traffic, labels, annotations } = oldest;
  return {
    type,
    ports: unionOf(ranked),
    traffic,
    labels,
    annotations,
    members: ranked.map(({ member }) => member).sort(),
    conflicts: aspects.flatMap((aspect) => conflictIn(aspect, ranked)),
  };
}

/** By name, then by protocol and number; whoever comes later cannot redefine either. */
function unionOf(ranked: readonly Constituent[]): readonly ServicePort[] {
  const union: ServicePort[] = [];
  for (const port of ranked.flatMap(({ ports }) => ports)) {
    const isTaken = union.some(
      (known) =>
        known.name === port.name ||
        (known.port === port.port && known.protocol === port.protocol) ||
        // Kubernetes wants names for all of several ports, and the nameless one cannot get one.
        known.name === "" ||
        port.name === "",
    );
    if (!isTaken) union.push(port);
  }
  return union;
}

interface Aspect {
  readonly reason: ConflictReason;
  readonly what: string;
  /** Equal texts agree. */
  readonly textOf: (one: Constituent) => string;
  /** Absent: it is judged for every export. */
  readonly isJudged?: (one: Constituent) => boolean;
}

const aspects: readonly Aspect[] = [
  { reason: "TypeConflict", what: "type", textOf: ({ type }) => type },
  { reason: "PortConflict", what: "ports", textOf: ({ ports }) => portsText(ports) },
  {
    reason: "SessionAffinityConflict",
    what: "session affinity",
    textOf: ({ traffic }) => traffic.sessionAffinity ?? "None",
  },
  {
    reason: "SessionAffinityConfigConflict",
    what: "session affinity timeout",
    textOf: ({ traffic }) => secondsText(traffic),
    isJudged: ({ traffic }) => traffic.sessionAffinity !== undefined,
  },
  {
    reason: "InternalTrafficPolicyConflict",
    what: "internal traffic policy",
    textOf: ({ traffic }) => traffic.internalTrafficPolicy ?? "Cluster",
  },
  {
    reason: "TrafficDistributionConflict",
    what: "traffic distribution",
    textOf: ({ traffic }) => traffic.trafficDistribution ?? "none",
  },
  { reason: "LabelsConflict", what: "exported labels", textOf: ({ labels }) => mapText(labels) },
  {
    reason: "AnnotationsConflict",
    what: "exported annotations",
    textOf: ({ annotations }) => mapText(annotations),
  },
];

function conflictIn(
  { reason, what, textOf, isJudged = () => true }: Aspect,
  ranked: readonly Constituent[],
): readonly Conflict[] {
  const [oldest, ...others] = ranked.filter(isJudged);
  if (oldest === undefined) return [];
  const wanted = textOf(oldest);
  const differing = others.filter((one) => textOf(one) !== wanted);
  const [first] = differing;
  if (first === undefined) return [];
  const rest = differing.length > 1 ? ` and ${differing.length - 1} more differ too` : "";
  const outcome = reason === "PortConflict" ? "its ports come first" : "it counts";
  const message =
    `${what}: the oldest export, of ${oldest.member}, has ${shortened(wanted)}; ` +
    `${first.member} has ${shortened(textOf(first))}${rest}; ${outcome}`;
  return [{ reason, message }];
}

function portsText(ports: readonly ServicePort[]): string {
  return ports
    .map(({ name, port, protocol, appProtocol }) =>
      [name, `${port}/${protocol}`, appProtocol].filter(Boolean).join(" "),
    )
    .sort()
    .join(", ");
}

/** Of a Service that wants affinity and says no time. */
export const defaultAffinitySeconds = 10_800;

function secondsText({ sessionAffinityTimeoutSeconds }: TrafficTerms): string {
  return `${sessionAffinityTimeoutSeconds ?? defaultAffinitySeconds}s`;
}

function mapText(map: ObjectMetadata): string {
  const text = Object.entries(map)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
  return text === "" ? "none" : text;
}

// All of a condition fits on a screen; the members' objects hold the whole.
const maxShownChars = 200;

function shortened(text: string): string {
  return text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text;
}
