import { reasonOf } from "../../mesh/errors.ts";
import { identityName } from "../../mesh/names.ts";
import type { XdsType } from "../../xds/resource.ts";
import type { AssignmentModel, ClusterModel, ListenerModel, ValidationModel } from "./model.ts";
import { readAssignment } from "./read-assignment.ts";
import { readCluster } from "./read-cluster.ts";
import { readListener } from "./read-listener.ts";
import { readSecret } from "./read-secret.ts";

/** The types this engine asks for; routes are HTTP's. */
export type EngineType = Exclude<XdsType, "route">;
export const engineTypes: readonly EngineType[] = ["cluster", "endpoint", "secret", "listener"];

interface Versioned<Model> {
  readonly version: string;
  /** Undefined: the agent said that it does not exist. */
  readonly model: Model | undefined;
}

/** The last good configuration, as received. Changed only by `applyDelta`. */
export interface ConfigState {
  readonly cluster: Map<string, Versioned<ClusterModel>>;
  readonly endpoint: Map<string, Versioned<AssignmentModel>>;
  readonly secret: Map<string, Versioned<ValidationModel>>;
  readonly listener: Map<string, Versioned<ListenerModel>>;
  /** Types that were answered at least once. */
  readonly answered: Set<EngineType>;
}

export interface DeltaResource {
  readonly name: string;
  readonly version: string;
  readonly value: Uint8Array;
}

export interface Delta {
  readonly type: EngineType;
  readonly upserts: readonly DeltaResource[];
  readonly removed: readonly string[];
}

export interface Applied {
  /** Names whose content is new. */
  readonly changed: readonly string[];
  /** These kept their last good content. */
  readonly refused: readonly Refusal[];
}

export interface Refusal {
  readonly name: string;
  readonly reason: string;
}

export function emptyConfig(): ConfigState {
  return {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
    answered: new Set(),
  };
}

/** Takes what is good of one response; a bad resource never stops the others. */
export function applyDelta(state: ConfigState, delta: Delta): Applied {
  const changed: string[] = [];
  const refused: Refusal[] = [];
  for (const { name, version, value } of delta.upserts) {
    try {
      upsert(state, { type: delta.type, name, version, value });
      changed.push(name);
    } catch (thrown) {
      refused.push({ name, reason: reasonOf(thrown) });
    }
  }
  for (const name of delta.removed) {
    remove(state, { type: delta.type, name });
    changed.push(name);
  }
  state.answered.add(delta.type);
  return { changed, refused };
}

function upsert(
  state: ConfigState,
  { type, name, version, value }: DeltaResource & { readonly type: EngineType },
): void {
  switch (type) {
    case "cluster":
      state.cluster.set(name, { version, model: readCluster(value) });
      return;
    case "endpoint":
      state.endpoint.set(name, { version, model: readAssignment(value) });
      return;
    case "secret":
      state.secret.set(name, { version, model: readSecret(value) });
      return;
    case "listener":
      state.listener.set(name, { version, model: readListener(value) });
      return;
  }
}

/** Named types remember an absence: whoever waits for the answer has it. */
function remove(
  state: ConfigState,
  { type, name }: { readonly type: EngineType; readonly name: string },
): void {
  switch (type) {
    case "cluster":
    case "listener":
      state[type].delete(name);
      return;
    case "endpoint":
    case "secret":
      state[type].set(name, { version: "", model: undefined });
      return;
  }
}

/** What EDS and SDS must be asked for, given the clusters and listeners at hand. */
export function wantedNames(
  state: ConfigState,
): Readonly<Record<"endpoint" | "secret", ReadonlySet<string>>> {
  const endpoint = new Set<string>();
  const secret = new Set<string>();
  for (const { model } of state.cluster.values()) {
    if (model === undefined) continue;
    if (model.source.t === "eds") endpoint.add(model.source.name);
    for (const name of secretsOfCluster(model)) secret.add(name);
  }
  for (const { model } of state.listener.values()) {
    for (const name of model === undefined ? [] : secretsOfListener(model)) secret.add(name);
  }
  secret.delete(identityName);
  return { endpoint, secret };
}

function secretsOfCluster(model: ClusterModel): string[] {
  return [model.tls, ...model.socketMatches.map(({ tls }) => tls)].flatMap((tls) =>
    tls === undefined ? [] : [tls.validation.secret],
  );
}

function secretsOfListener(model: ListenerModel): string[] {
  return model.chains.flatMap(({ tls }) => (tls === undefined ? [] : [tls.validation.secret]));
}

/** Forgets answers to names that nobody asks for any more; a new subscription must wait anew. */
export function forgetUnwanted(state: ConfigState): void {
  const wanted = wantedNames(state);
  for (const type of ["endpoint", "secret"] as const) {
    for (const name of state[type].keys()) if (!wanted[type].has(name)) state[type].delete(name);
  }
}

/** For `initial_resource_versions`: what this client holds. */
export function versionsOf(state: ConfigState, type: EngineType): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const [name, entry] of state[type])
    if (entry.model !== undefined) versions[name] = entry.version;
  return versions;
}

/** A cluster may be used when its endpoints and validation contexts were answered. */
function isClusterWarm(state: ConfigState, name: string): boolean {
  const model = state.cluster.get(name)?.model;
  if (model === undefined) return false;
  const hasEndpoints = model.source.t === "static" || state.endpoint.has(model.source.name);
  return hasEndpoints && secretsOfCluster(model).every((secret) => state.secret.has(secret));
}

/**
 * A listener opens when nothing it needs is still on its way. A cluster that does not exist is not
 * waited for once the clusters were answered: connections to it are refused, as in Envoy.
 */
export function isListenerWarm(state: ConfigState, model: ListenerModel): boolean {
  if (!state.answered.has("cluster")) return false;
  if (!secretsOfListener(model).every((secret) => state.secret.has(secret))) return false;
  const isWarm = (name: string): boolean => !state.cluster.has(name) || isClusterWarm(state, name);
  return model.chains.every(({ end }) => {
    if (end.t !== "proxy") return true;
    if (end.to.t === "cluster") return isWarm(end.to.name);
    return [...state.cluster.keys()].every(isWarm);
  });
}
