import { asMap, type JsonMap } from "../../mesh/json-map.ts";
import type { Contender } from "../publish/election.ts";
import type { KubeObject, ObjectRef, ResourceType } from "./kube-api.ts";

export const leaseType: ResourceType = {
  group: "coordination.k8s.io",
  version: "v1",
  resource: "leases",
};

/** Highest epoch that a leader wrote with. */
const epochAnnotation = "isthmus.dev/epoch";

/** A Lease as one contender saw it. Source: https://kubernetes.io/docs/concepts/architecture/leases/ */
export interface SeenLease {
  readonly uid: string;
  readonly version: string;
  /** As written, `HOST_INSTANCE`; undefined: released. */
  readonly holder: string | undefined;
  readonly durationMs: number;
  readonly transitions: number;
  readonly epoch: number;
  /** For what is written next: others may have added to it. */
  readonly object: KubeObject;
}

// A Lease that says more is not believed: nobody could lead for as long.
const maxDurationMs = 60_000;
const minDurationMs = 1000;

export function readLease(object: KubeObject): SeenLease {
  const { uid = "", resourceVersion = "", annotations = {} } = object.metadata;
  const spec = mapOf(object["spec"]);
  const { holderIdentity, leaseDurationSeconds, leaseTransitions } = spec;
  const epoch = Number(annotations[epochAnnotation] ?? 0);
  return {
    uid,
    version: resourceVersion,
    holder:
      typeof holderIdentity === "string" && holderIdentity !== "" ? holderIdentity : undefined,
    durationMs: Math.min(
      maxDurationMs,
      Math.max(minDurationMs, wholeOf(leaseDurationSeconds) * 1000),
    ),
    transitions: wholeOf(leaseTransitions),
    epoch: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0,
    object,
  };
}

/** What a contender writes; `previous` is what it expects to find. */
export function leaseObject(wish: {
  readonly ref: ObjectRef;
  readonly previous: SeenLease | undefined;
  /** Undefined gives it back. */
  readonly holder: string | undefined;
  readonly durationMs: number;
  readonly epoch: number;
  readonly nowMs: number;
}): KubeObject {
  const { previous, holder, ref } = wish;
  const spec = mapOf(previous?.object["spec"]);
  const time = microTime(wish.nowMs);
  const isRenewed = previous?.holder === holder && previous !== undefined;
  const isTaken = holder !== undefined && !isRenewed;
  const metadata = previous?.object.metadata ?? ref;
  const annotations = { ...metadataMap(metadata, "annotations") };
  if (wish.epoch > 0) annotations[epochAnnotation] = String(wish.epoch);
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { ...metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: {
      ...spec,
      holderIdentity: holder ?? "",
      leaseDurationSeconds: Math.ceil(wish.durationMs / 1000),
      renewTime: time,
      ...(isTaken ? { acquireTime: time } : {}),
      // As client-go counts: how often it changed hands.
      leaseTransitions: (previous?.transitions ?? 0) + (isTaken && previous !== undefined ? 1 : 0),
    },
  };
}

/** Names of hosts hold no `_`, so the first one ends them. */
export function contenderName({ host, instance }: Contender): string {
  return `${host}_${instance}`;
}

export function contenderOf(name: string): Contender {
  const at = name.indexOf("_");
  if (at === -1) return { host: name, instance: name };
  return { host: name.slice(0, at), instance: name.slice(at + 1) };
}

/** The API server takes no other form of a MicroTime. */
function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}

function wholeOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function metadataMap(metadata: object, key: string): Readonly<Record<string, string>> {
  return mapOf((metadata as Readonly<Record<string, unknown>>)[key]) as Readonly<
    Record<string, string>
  >;
}

function mapOf(value: unknown): JsonMap {
  return asMap(value) ?? {};
}
