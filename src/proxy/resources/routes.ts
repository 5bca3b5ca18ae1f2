import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { outboundName } from "../../mesh/names.ts";
import { appProtocolOf } from "../../mesh/service.ts";
import type {
  RetryPolicySchema,
  Route,
} from "../../xds/gen/envoy/config/route/v3/route_components_pb.ts";
import {
  RouteMatchSchema,
  RouteSchema,
} from "../../xds/gen/envoy/config/route/v3/route_components_pb.ts";
import type { RouteConfiguration } from "../../xds/gen/envoy/config/route/v3/route_pb.ts";
import { RouteConfigurationSchema } from "../../xds/gen/envoy/config/route/v3/route_pb.ts";
import { PreviousHostsPredicateSchema } from "../../xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { PreviousPrioritiesConfigSchema } from "../../xds/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts";
import { cutHeader, unreachedHeader } from "../settings.ts";
import type { TargetPlan } from "../targets.ts";
import { extension, ms } from "./wire.ts";

/** The RDS answer of one target; undefined for ports that are not known to speak HTTP. */
export function sidecarRoute(plan: TargetPlan): RouteConfiguration | undefined {
  if (appProtocolOf(plan.port) === "tcp") return undefined;
  const envoyCluster = outboundName(plan.target);
  return create(RouteConfigurationSchema, {
    name: envoyCluster,
    virtualHosts: [
      {
        name: envoyCluster,
        domains: ["*"],
        routes: [
          idempotentRoute(envoyCluster),
          routeTo(envoyCluster, retryPolicy(safe, [unreachedHeader])),
        ],
      },
    ],
    // For this sidecar's eyes only.
    responseHeadersToRemove: [unreachedHeader, cutHeader],
    // EDS and CDS may come later than the route; a request meanwhile is answered with 503.
    validateClusters: false,
  });
}

// The application saw nothing of the request, whatever the method was.
const safe = "connect-failure,refused-stream,reset-before-request,retriable-headers";
// What was cut may have been seen. Never on an upstream's own 5xx: overload must not be multiplied.
const idempotent = `${safe},reset`;
const idempotentMethods = "GET|HEAD|OPTIONS|TRACE|PUT|DELETE";

function idempotentRoute(envoyCluster: string): Route {
  const route = routeTo(envoyCluster, retryPolicy(idempotent, [unreachedHeader, cutHeader]));
  const method = {
    matchPattern: { case: "safeRegex", value: { regex: idempotentMethods } },
  } as const;
  route.match = create(RouteMatchSchema, {
    pathSpecifier: { case: "prefix", value: "/" },
    headers: [{ name: ":method", headerMatchSpecifier: { case: "stringMatch", value: method } }],
  });
  return route;
}

function routeTo(envoyCluster: string, policy: RetryPolicyInit): Route {
  return create(RouteSchema, {
    match: { pathSpecifier: { case: "prefix", value: "/" } },
    action: {
      case: "route",
      value: {
        clusterSpecifier: { case: "cluster", value: envoyCluster },
        // How long an answer takes is the application's to know; hung peers are found by pings.
        timeout: ms(0),
        retryPolicy: policy,
      },
    },
  });
}

type RetryPolicyInit = MessageInitShape<typeof RetryPolicySchema>;

/** A retry must be able to leave the host and the level it failed on. */
function retryPolicy(retryOn: string, marks: readonly string[]): RetryPolicyInit {
  return {
    retryOn,
    numRetries: 4,
    retryBackOff: { baseInterval: ms(5), maxInterval: ms(50) },
    // Of two hosts the dead one is the less busy, drawn three times of four: a few draws would end with it.
    hostSelectionRetryMaxAttempts: 20n,
    retryHostPredicate: [
      extension("envoy.retry_host_predicates.previous_hosts", PreviousHostsPredicateSchema),
    ],
    retryPriority: extension(
      "envoy.retry_priorities.previous_priorities",
      PreviousPrioritiesConfigSchema,
      { updateFrequency: 2 },
    ),
    retriableHeaders: marks.map((name) => ({
      name,
      headerMatchSpecifier: { case: "presentMatch", value: true },
    })),
  };
}
