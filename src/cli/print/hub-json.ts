import type { CheckedHub } from "../../app/hub/check/check-hubs.ts";
import type { HubFacts, Told } from "../../app/hub/check/hub-facts.ts";
import { persistenceOf } from "../../app/hub/check/judge-durability.ts";
import { memoryOf } from "../../app/hub/check/judge-memory.ts";
import { productOf } from "../../app/hub/redis-info.ts";

/** Stable field names; what the hub does not tell is left out. */
export function hubJson({ hub, url, isReachable, facts, findings }: CheckedHub): object {
  return { hub, url, isReachable, ...(facts === undefined ? {} : factsJson(facts)), findings };
}

function factsJson(facts: HubFacts): object {
  const [primary] = facts.nodes;
  const { rights, content, latency } = facts;
  return {
    shape: facts.shape,
    product: primary.info.t === "told" ? productOf(primary.info.value)?.name : undefined,
    version: primary.info.t === "told" ? productOf(primary.info.value)?.version : undefined,
    role: primary.info.t === "told" ? primary.info.value.get("role") : undefined,
    transport: facts.transport,
    user: valueOf(rights.user),
    rights: { needed: rights.needed, beyond: rights.beyond },
    latency,
    clockSkewMs: valueOf(facts.skewMs),
    persistence: persistenceOf(primary),
    servers: facts.nodes.map((node) => ({ server: node.node, ...memoryOf(node) })),
    silentServers: facts.silent,
    sentinel: facts.sentinel,
    cluster: facts.cluster,
    meshes: valueOf(content),
  };
}

function valueOf<T>(told: Told<T>): T | undefined {
  return told.t === "told" ? told.value : undefined;
}
