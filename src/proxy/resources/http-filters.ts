import type { MessageInitShape } from "@bufbuild/protobuf";
import { HeaderValueOption_HeaderAppendAction } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { RouteSchema } from "../../xds/gen/envoy/config/route/v3/route_components_pb.ts";
import { LuaSchema } from "../../xds/gen/envoy/extensions/filters/http/lua/v3/lua_pb.ts";
import { RouterSchema } from "../../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type ResponseMapperSchema,
} from "../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { cutHeader, unreachedHeader } from "../settings.ts";
import { http2Extras } from "./upstream-http.ts";
import type { Extension } from "./wire.ts";
import { adsSource, extension, ms } from "./wire.ts";

/** HTTP from the local application; the rules are in the route of the same name. */
export function outboundHttp(routeName: string, statPrefix: string): Extension {
  return extension(managerName, HttpConnectionManagerSchema, {
    statPrefix,
    routeSpecifier: {
      case: "rds",
      value: { routeConfigName: routeName, configSource: adsSource },
    },
    ...common(),
  });
}

/** HTTP from other sidecars to the one application behind this entry. */
export function inboundHttp(envoyCluster: string): Extension {
  return extension(managerName, HttpConnectionManagerSchema, {
    statPrefix: envoyCluster,
    routeSpecifier: {
      case: "routeConfig",
      value: {
        name: envoyCluster,
        virtualHosts: [{ name: "app", domains: ["*"], routes: [appRoute(envoyCluster)] }],
        // Only this proxy may say what became of a request.
        responseHeadersToRemove: [unreachedHeader, cutHeader],
      },
    },
    ...common([leaveUnreached()]),
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
    setCurrentClientCertDetails: { uri: true },
    localReplyConfig: { mappers: [unreached, cut] },
    // Connections through a passthrough cannot be told to go away: they end at their own age.
    commonHttpProtocolOptions: { maxConnectionDuration: ms(inboundConnectionAgeMs) },
    http2ProtocolOptions: {
      ...http2Extras,
      ...inboundWindows,
      // Callers that vanished; they look after themselves much sooner.
      connectionKeepalive: { interval: ms(30_000), timeout: ms(10_000) },
    },
  });
}

const managerName = "envoy.filters.network.http_connection_manager";
const inboundConnectionAgeMs = 600_000;

// An application that does not read must not fill its sidecar: 10 connections of 20 streams cost 170 MB with
// Envoy's own values, 35 MB with these and `inboundBufferBytes`. A megabyte in flight is 10 MB/s at 100 ms.
const inboundWindows = {
  maxConcurrentStreams: 128,
  initialStreamWindowSize: 1_048_576,
  initialConnectionWindowSize: 4_194_304,
};

/** What both ends share: a sidecar is no server of its own and leaves traffic as it is. */
function common(filters: readonly Extension[] = []) {
  return {
    httpFilters: [...filters, extension("envoy.filters.http.router", RouterSchema)],
    // A stream may be quiet for as long as its two ends like.
    streamIdleTimeout: ms(0),
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    upgradeConfigs: [{ upgradeType: "websocket" }],
    http2ProtocolOptions: http2Extras,
  };
}

function appRoute(envoyCluster: string): MessageInitShape<typeof RouteSchema> {
  return {
    match: { pathSpecifier: { case: "prefix", value: "/" } },
    // The caller's own limit counts; the default of 15 s would be ours.
    action: {
      case: "route",
      value: {
        clusterSpecifier: { case: "cluster", value: envoyCluster },
        timeout: ms(0),
        // An application closes idle connections whenever it likes, a request may just be on its way.
        retryPolicy: { retryOn: "reset-before-request", numRetries: 2 },
      },
    },
  };
}

type MapperInit = MessageInitShape<typeof ResponseMapperSchema>;

/**
 * Marks answers made up here because the application could not be reached: no request was seen, so
 * the caller may repeat any method. Not on overload (UO), which a retry would multiply.
 */
const unreached = markedAnswer(["UF", "UH"], unreachedHeader);

/** The application died with the request, or ended its connection or stream without an answer. */
const cut = markedAnswer(["UC", "UR"], cutHeader);

function markedAnswer(flags: readonly string[], header: string): MapperInit {
  return {
    filter: { filterSpecifier: { case: "responseFlagFilter", value: { flags: [...flags] } } },
    headersToAdd: [
      {
        header: { key: header, value: "%RESPONSE_FLAGS%" },
        appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
      },
    ],
  };
}

/**
 * Ends the caller's connection together with such an answer. Behind a gateway a connection is bound to one
 * workload, and over HTTP/2 every retry would come back over it.
 */
function leaveUnreached(): Extension {
  return extension("envoy.filters.http.lua", LuaSchema, {
    defaultSourceCode: { specifier: { case: "inlineString", value: leaveUnreachedScript } },
  });
}

// Envoy 1.36 has no such function.
const leaveUnreachedScript = `function envoy_on_response(handle)
  local info = handle:streamInfo()
  if handle:headers():get("${unreachedHeader}") and info.drainConnectionUponCompletion then
    info:drainConnectionUponCompletion()
  end
end`;
