import { type HostPort, isIp } from "../../../mesh/address.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import { identityName } from "../../../mesh/names.ts";
import { identityFolder, ownBundleName } from "../../../trust/envoy-identity.ts";

/** The one Envoy cluster that is not told by the agent: no SNI of the mesh leads to it. */
export const xdsClusterName = "xds";

const solTcp = 6;
const tcpUserTimeout = 18;

/** Where Envoy finds the agent and its replicas, in this order, and who they must prove to be. */
export function xdsCluster(options: {
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
}): object {
  const { agents, agentId } = options;
  const areIps = agents.every(({ host }) => isIp(host));
  return {
    name: xdsClusterName,
    type: areIps ? "STATIC" : "STRICT_DNS",
    // TCP and TLS handshake: an agent that hangs is left for the next one.
    connectTimeout: "2s",
    loadAssignment: {
      clusterName: xdsClusterName,
      endpoints: agents.map((agent, priority) => ({ priority, lbEndpoints: [endpointAt(agent)] })),
    },
    commonLbConfig: { updateMergeWindow: "0s" },
    ...(agents.length === 1 ? {} : { outlierDetection: oneFailureMovesOn }),
    upstreamConnectionOptions: {
      tcpKeepalive: { keepaliveProbes: 3, keepaliveTime: 10, keepaliveInterval: 5 },
    },
    upstreamBindConfig: {
      socketOptions: [
        // Milliseconds. Linux; elsewhere the pings alone find a dead peer.
        {
          description: "TCP_USER_TIMEOUT",
          level: solTcp,
          name: tcpUserTimeout,
          intValue: 10_000,
          state: "STATE_PREBIND",
        },
      ],
    },
    transportSocket: {
      name: "envoy.transport_sockets.tls",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni: "agent",
        commonTlsContext: {
          tlsParams: { tlsMinimumProtocolVersion: "TLSv1_3", tlsMaximumProtocolVersion: "TLSv1_3" },
          alpnProtocols: ["h2"],
          tlsCertificateSdsSecretConfigs: [fileSecret(identityName, "sds.json")],
          combinedValidationContext: {
            defaultValidationContext: {
              matchTypedSubjectAltNames: [{ sanType: "URI", matcher: { exact: agentId } }],
            },
            validationContextSdsSecretConfig: fileSecret(ownBundleName, "bundle.json"),
          },
        },
      },
    },
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicitHttpConfig: {
          http2ProtocolOptions: {
            // A hung agent acknowledges bytes for ever: only an unanswered ping tells.
            connectionKeepalive: { interval: "10s", timeout: "5s" },
            // Envoy's own are so large that one agent would buffer megabytes for each of its proxies.
            initialStreamWindowSize: 65_536,
            initialConnectionWindowSize: 1_048_576,
          },
        },
      },
    },
  };
}

// Who is put aside is tried again after a while; with all put aside, all are tried.
const oneFailureMovesOn: object = {
  splitExternalLocalOriginErrors: true,
  consecutiveLocalOriginFailure: 1,
  enforcingConsecutiveLocalOriginFailure: 100,
  consecutiveGatewayFailure: 1,
  enforcingConsecutiveGatewayFailure: 100,
  enforcingConsecutive5xx: 0,
  enforcingSuccessRate: 0,
  enforcingLocalOriginSuccessRate: 0,
  interval: "1s",
  baseEjectionTime: "5s",
  maxEjectionTime: "30s",
  maxEjectionPercent: 100,
};

function endpointAt({ host, port }: HostPort): object {
  return { endpoint: { address: { socketAddress: { address: host, portValue: port } } } };
}

function fileSecret(name: string, file: string): object {
  return {
    name,
    sdsConfig: {
      resourceApiVersion: "V3",
      pathConfigSource: {
        path: `${identityFolder}/${file}`,
        watchedDirectory: { path: identityFolder },
      },
    },
  };
}
