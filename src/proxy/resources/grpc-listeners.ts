import { create } from "@bufbuild/protobuf";
import { hostOf, outboundName, sniOf } from "../../mesh/names.ts";
import { appProtocolOf } from "../../mesh/service.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import type { RouteConfiguration } from "../../xds/gen/envoy/config/route/v3/route_pb.ts";
import { RouteConfigurationSchema } from "../../xds/gen/envoy/config/route/v3/route_pb.ts";
import { RouterSchema } from "../../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { pack } from "../../xds/pack.ts";
import type { TargetPlan } from "../targets.ts";
import { adsSource, extension } from "./wire.ts";

/**
 * What a gRPC channel's target may be called: `xds:///` and one of these. `host:port` is every target's; the
 * bare host is the service's one port, or its one gRPC port; the SNI's form is for libraries that can set
 * an SNI in no other way (they send the target's name), because gateways choose by SNI.
 */
export function grpcListeners(plans: readonly TargetPlan[]): Listener[] {
  return plans.flatMap((plan) => {
    const host = hostOf(plan.target);
    const names = [`${host}:${plan.target.port}`, sniOf(plan.target)];
    if (isMainPort(plan, plans)) names.push(host);
    return names.map((name) => apiListener(name, outboundName(plan.target)));
  });
}

function isMainPort(plan: TargetPlan, plans: readonly TargetPlan[]): boolean {
  const siblings = plans.filter(({ target }) => target.suffix === plan.target.suffix);
  const speaking = siblings.filter(({ port }) => ["grpc", "http2"].includes(appProtocolOf(port)));
  const candidates = siblings.length === 1 ? siblings : speaking;
  return candidates.length === 1 && candidates[0] === plan;
}

// Fewer fields than for a proxy: such clients refuse what they do not know.
function apiListener(name: string, routeConfigName: string): Listener {
  const manager = pack(HttpConnectionManagerSchema, {
    statPrefix: "grpc",
    routeSpecifier: { case: "rds", value: { routeConfigName, configSource: adsSource } },
    httpFilters: [extension("envoy.filters.http.router", RouterSchema)],
  });
  return create(ListenerSchema, { name, apiListener: { apiListener: manager } });
}

/**
 * All methods go to the one Envoy cluster. No retries: the library repeats by itself what was never sent,
 * and what was sent is not ours to repeat.
 */
export function grpcRoute(plan: TargetPlan): RouteConfiguration {
  const name = outboundName(plan.target);
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name,
        // The channel's authority may be any of the target's names, or what the program sets.
        domains: ["*"],
        routes: [
          {
            match: { pathSpecifier: { case: "prefix", value: "" } },
            action: {
              case: "route",
              value: { clusterSpecifier: { case: "cluster", value: name } },
            },
          },
        ],
      },
    ],
  });
}
