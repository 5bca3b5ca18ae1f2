import { createPool, updatePool } from "../balance/pool.ts";
import type { AssignmentModel, ClusterModel, ListenerModel } from "../config/model.ts";
import type { Applied, Delta } from "../config/state.ts";
import { applyDelta, forgetUnwanted } from "../config/state.ts";
import { isAllowed } from "../rbac.ts";
import type { EngineContext, Flow } from "./context.ts";
import { closeByConfig, closeFlow, isAbandoned } from "./flow.ts";
import { isNamed } from "./tls-contexts.ts";

/** Takes one response into the configuration, the pools and the live connections. */
export function takeDelta(context: EngineContext, delta: Delta): Applied {
  const { cluster } = context.config;
  // Clusters that are all new, as at the start, take no name away from anybody.
  const isGrowth =
    delta.removed.length === 0 && delta.upserts.every(({ name }) => !cluster.has(name));
  const applied = applyDelta(context.config, delta);
  switch (delta.type) {
    case "cluster":
      for (const name of applied.changed) updateCluster(context, name);
      if (!isGrowth) forgetUnwanted(context.config);
      break;
    case "endpoint":
      updateEndpoints(context, new Set(applied.changed));
      break;
    case "secret":
      closeUnproven(context);
      break;
    case "listener":
      forgetUnwanted(context.config);
      break;
  }
  return applied;
}

/**
 * Ends the connections of callers that the rules of a terminating listener no longer allow, and those to
 * servers of whose trust domain its chains are now without.
 */
export function closeForbidden(context: EngineContext, model: ListenerModel): void {
  const terminating = model.chains.filter(({ tls }) => tls !== undefined);
  const without = model.chains.flatMap((chain) => chain.without.map((one) => `spiffe://${one}/`));
  const isForbidden = ({ listener, peer, upPeer }: Flow): boolean => {
    if (listener.name !== model.name) return false;
    if (without.some((start) => upPeer?.startsWith(start))) return true;
    return peer !== undefined && !terminating.some(({ rbac }) => isAllowed(rbac, peer));
  };
  closeWhere(context, isForbidden);
  for (const flow of context.connecting) if (isForbidden(flow)) closeFlow(flow);
  for (const flow of context.greeting) if (flow.listener.name === model.name) rejudge(flow, model);
}

/** Whoever is still in the handshake meets the rules that count when it ends. */
function rejudge(flow: Flow, model: ListenerModel): void {
  // Its first bytes are read as the old listener wanted it.
  if (flow.phase === "hello" && model.inspector === undefined) return closeFlow(flow);
  flow.listener = model;
  if (flow.chain === undefined) return;
  const match = JSON.stringify(flow.chain.match);
  flow.chain = model.chains.find((chain) => JSON.stringify(chain.match) === match);
  if (flow.chain === undefined) closeFlow(flow);
}

function updateCluster(context: EngineContext, name: string): void {
  const model = context.config.cluster.get(name)?.model;
  if (model !== undefined) return changePool(context, model);
  // Its connections live on: a withdrawn export ends new ones only.
  context.pools.delete(name);
}

/** Several clusters may share one EDS name. */
function updateEndpoints(context: EngineContext, names: ReadonlySet<string>): void {
  for (const { model } of context.config.cluster.values()) {
    if (model?.source.t === "eds" && names.has(model.source.name)) changePool(context, model);
  }
}

function changePool(context: EngineContext, model: ClusterModel): void {
  const { pools } = context;
  const assignment = assignmentFor(context, model);
  const pool = pools.get(model.name);
  if (pool === undefined) {
    pools.set(model.name, createPool(model, assignment));
    return;
  }
  // Those that still hear from their host are looked at again by the sweep.
  if (updatePool(pool, { model, assignment }).fallen.length > 0) closeWhere(context, isAbandoned);
}

function assignmentFor(
  { config }: EngineContext,
  model: ClusterModel,
): AssignmentModel | undefined {
  if (model.source.t === "static") return model.source.assignment;
  return config.endpoint.get(model.source.name)?.model;
}

/** An identity that left a validation context loses its connections too. */
function closeUnproven(context: EngineContext): void {
  const { secret } = context.config;
  closeWhere(context, ({ host, upPeer }) => {
    if (host?.tls === undefined || upPeer === undefined) return false;
    const validation = secret.get(host.tls.validation.secret)?.model;
    return validation === undefined || !isNamed(validation, upPeer);
  });
}

function closeWhere({ open }: EngineContext, isOver: (flow: Flow) => boolean): void {
  for (const flow of open) if (isOver(flow)) closeByConfig(flow);
}
