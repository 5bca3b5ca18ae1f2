import type {
  EndpointsAnswer,
  ProxyAnswer,
  ServiceAnswer,
  StatusAnswer,
} from "../../../../src/app/api-model.ts";
import { type Region, regionNames } from "../../../support/regions/regions.ts";
import type { FaultMesh } from "../mesh.ts";
import { services } from "../plan.ts";
import type { AgentView } from "./invariants.ts";

/** What all agents say now. */
export async function observe(mesh: FaultMesh): Promise<readonly AgentView[]> {
  return await Promise.all(regionNames.map((region) => viewOf(mesh, region)));
}

async function viewOf(mesh: FaultMesh, region: Region): Promise<AgentView> {
  const ask = async <Answer>(path: string): Promise<Answer | undefined> =>
    (await mesh.ask(region, path)) as Answer | undefined;
  const status = await ask<StatusAnswer>("status");
  if (status?.isWarm !== true) return { region };
  const known = await ask<{ readonly services: readonly ServiceAnswer[] }>("services");
  const proxies = await ask<{ readonly proxies: readonly ProxyAnswer[] }>("proxies");
  if (known === undefined || proxies === undefined) return { region };
  const endpoints: EndpointsAnswer[] = [];
  for (const { name } of services) {
    const answer = await ask<{ readonly ports: readonly EndpointsAnswer[] }>(
      `endpoints?service=shop/${name}`,
    );
    endpoints.push(...(answer?.ports ?? []));
  }
  return { region, known: { services: known.services, proxies: proxies.proxies, endpoints } };
}
