import type { FindingsAnswer } from "../api-model.ts";
import type { HttpQuery, HttpRoute } from "../http-server.ts";
import { type AgentView, findingsOf } from "./agent-view.ts";
import { endpointsOf } from "./answers/endpoints.ts";
import { confirmHeld, heldOf } from "./answers/held.ts";
import { loadOf } from "./answers/load.ts";
import { membersOf } from "./answers/members.ts";
import { proxiesOf, proxyConfigOf } from "./answers/proxies.ts";
import { rotationOf } from "./answers/rotation.ts";
import { servicesOf } from "./answers/services.ts";
import { statusOf } from "./answers/status.ts";
import { deskRoutes } from "./desk/desk-routes.ts";
import { leaveRoutes } from "./leaving/leave-routes.ts";

/** `/api/v1/`, `/metrics`, `/healthz`, `/readyz`: from memory; all but one only read. */
export function agentRoutes(view: AgentView): readonly HttpRoute[] {
  return [
    json("/api/v1/status", () => statusOf(view)),
    json("/api/v1/members", () => ({ members: membersOf(view) })),
    json("/api/v1/services", () => ({ services: servicesOf(view) })),
    json("/api/v1/endpoints", (query) => ({ ports: endpointsOf(view, query) })),
    json("/api/v1/rotation", () => rotationOf(view)),
    json("/api/v1/catalog/held", () => ({ held: heldOf(view) })),
    { ...json("/api/v1/catalog/confirm", (query) => confirmHeld(view, query)), isChange: true },
    json("/api/v1/load", (query) => loadOf(view, query)),
    json("/api/v1/proxies", () => ({ proxies: proxiesOf(view) })),
    json("/api/v1/proxies/:node/config", (query) => proxyConfigOf(view, query)),
    json("/api/v1/findings", (): FindingsAnswer => ({ findings: findingsOf(view) })),
    ...deskRoutes(view),
    ...leaveRoutes(view),
    ...healthRoutes(view),
  ];
}

/** `/metrics`, `/healthz`, `/readyz`: what those may ask who are not on this machine. */
export function healthRoutes({ core, telemetry }: AgentView): readonly HttpRoute[] {
  return [
    {
      path: "/metrics",
      answer: async () => ({
        t: "text",
        body: await telemetry.render(),
        type: telemetry.contentType,
      }),
    },
    { path: "/healthz", answer: () => ({ t: "text", body: "ok\n" }) },
    {
      path: "/readyz",
      answer: () =>
        core.isWarm()
          ? { t: "text", body: "ok\n" }
          : { t: "text", body: `waiting for ${core.waitingFor().join(", ")}\n`, status: 503 },
    },
  ];
}

function json(path: string, body: (query: HttpQuery) => object): HttpRoute {
  return { path, answer: (query) => ({ t: "json", body: body(query) }) };
}
