import { startHttp } from "../http-server.ts";
import { agentRoutes, healthRoutes } from "./agent-routes.ts";
import type { AgentView } from "./agent-view.ts";

export interface AgentHttp extends AsyncDisposable {
  /** Where operators ask; without the port for probes alone. */
  readonly url: string;
}

/** Opens the port for operators and, where one is configured, that for probes. Throws MESH_LISTEN_FAILED. */
export async function serveHttp(view: AgentView): Promise<AgentHttp> {
  await using opened = new AsyncDisposableStack();
  const { config, log } = view;
  const { listen, health } = config.http;
  const http = await startHttp({ listen, routes: agentRoutes(view), log });
  opened.defer(() => http.close());
  if (health !== undefined) {
    const probes = await startHttp({ listen: health, routes: healthRoutes(view), log });
    opened.defer(() => probes.close());
  }
  const owned = opened.move();
  return { url: http.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
