import type { Registry } from "@bufbuild/protobuf";
import { createRegistry } from "@bufbuild/protobuf";
import { TlsInspectorSchema } from "../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { EchoSchema } from "../../xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts";
import { RBACSchema as NetworkRbacSchema } from "../../xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { SniClusterSchema } from "../../xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import { TcpProxySchema } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { RawBufferSchema } from "../../xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { SPIFFECertValidatorConfigSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";

/** The extensions this engine has. An `Any` of another type is refused by name. */
export const extensions: Registry = createRegistry(
  SPIFFECertValidatorConfigSchema,
  EchoSchema,
  TlsInspectorSchema,
  NetworkRbacSchema,
  SniClusterSchema,
  TcpProxySchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
);

interface FieldRule {
  /** Acted upon, or judged by the reader of the message. */
  readonly used: ReadonlySet<string>;
  /** May be set and changes nothing here. Why, is said beside each list. */
  readonly ignored: ReadonlySet<string>;
}

function rule(used: string, ignored = ""): FieldRule {
  const words = (text: string): Set<string> => new Set(text.split(/\s+/).filter((word) => word));
  return { used: words(used), ignored: words(ignored) };
}

const listener = "envoy.config.listener.v3";
const cluster = "envoy.config.cluster.v3.Cluster";
const endpoint = "envoy.config.endpoint.v3";
const core = "envoy.config.core.v3";
const tls = "envoy.extensions.transport_sockets.tls.v3";
const network = "envoy.extensions.filters.network";

/**
 * Every message this engine reads and what it makes of each field. A field that is set and not
 * listed is refused: to ignore a limit or an authorization rule silently would be worse than to stop.
 */
export const knownFields: ReadonlyMap<string, FieldRule> = new Map([
  [
    `${listener}.Listener`,
    // Ignored: names for statistics and logs, Envoy's own buffers, and SO_REUSEPORT, which the
    // launcher decides by its number of workers.
    rule(
      "name address filterChains listenerFilters listenerFiltersTimeout tcpBacklogSize bindToPort continueOnListenerFiltersTimeout",
      "statPrefix trafficDirection perConnectionBufferLimitBytes metadata enableReusePort accessLog drainType maxConnectionsToAcceptPerSocketEvent connectionBalanceConfig",
    ),
  ],
  [`${listener}.ListenerFilter`, rule("typedConfig", "name")],
  [
    `${listener}.FilterChain`,
    rule("filterChainMatch filters transportSocket transportSocketConnectTimeout", "name metadata"),
  ],
  [`${listener}.FilterChainMatch`, rule("serverNames transportProtocol")],
  [`${listener}.Filter`, rule("typedConfig", "name")],
  [
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    // Refused hellos are always closed here.
    rule("maxClientHelloSize", "closeConnectionOnClientHelloParsingErrors initialReadBufferSize"),
  ],
  [
    `${network}.tcp_proxy.v3.TcpProxy`,
    // Back-off: another host is tried at once. Drain: the launcher drains by itself.
    rule(
      "cluster maxConnectAttempts idleTimeout",
      "statPrefix accessLog accessLogOptions accessLogFlushInterval flushAccessLogOnConnected backoffOptions checkDrainClose",
    ),
  ],
  [`${network}.sni_cluster.v3.SniCluster`, rule("")],
  [`${network}.echo.v3.Echo`, rule("")],
  [
    `${network}.rbac.v3.RBAC`,
    rule("rules", "statPrefix shadowRules shadowRulesStatPrefix enforcementType"),
  ],
  ["envoy.config.rbac.v3.RBAC", rule("action policies")],
  ["envoy.config.rbac.v3.Policy", rule("permissions principals")],
  ["envoy.config.rbac.v3.Permission", rule("any")],
  ["envoy.config.rbac.v3.Principal", rule("andIds orIds any authenticated notId")],
  ["envoy.config.rbac.v3.Principal.Set", rule("ids")],
  ["envoy.config.rbac.v3.Principal.Authenticated", rule("principalName")],
  ["envoy.type.matcher.v3.StringMatcher", rule("exact prefix suffix contains")],
  [
    cluster,
    // Ignored: statistics; HTTP settings, which mean nothing at L4; socket options such as
    // TCP_USER_TIMEOUT, which Node cannot set (connections to a dead host end when it turns
    // UNHEALTHY); the merge window, because every update counts at once; details of LEAST_REQUEST.
    rule(
      "name type edsClusterConfig connectTimeout lbPolicy loadAssignment circuitBreakers outlierDetection commonLbConfig transportSocket transportSocketMatches upstreamConnectionOptions closeConnectionsOnHostHealthFailure",
      "altStatName metadata trackClusterStats perConnectionBufferLimitBytes typedExtensionProtocolOptions upstreamBindConfig leastRequestLbConfig roundRobinLbConfig ignoreHealthOnHostRemoval waitForWarmOnInit cleanupInterval dnsLookupFamily respectDnsTtl",
    ),
  ],
  [`${cluster}.EdsClusterConfig`, rule("edsConfig serviceName")],
  [
    `${cluster}.CommonLbConfig`,
    rule(
      "healthyPanicThreshold localityWeightedLbConfig",
      "updateMergeWindow ignoreNewHostsUntilFirstHc",
    ),
  ],
  [`${cluster}.CommonLbConfig.LocalityWeightedLbConfig`, rule("")],
  ["envoy.type.v3.Percent", rule("value")],
  [`${cluster}.TransportSocketMatch`, rule("match transportSocket", "name")],
  ["envoy.config.cluster.v3.UpstreamConnectionOptions", rule("tcpKeepalive")],
  [`${core}.TcpKeepalive`, rule("keepaliveTime", "keepaliveProbes keepaliveInterval")],
  ["envoy.config.cluster.v3.CircuitBreakers", rule("thresholds")],
  // Requests and retries are HTTP's.
  [
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
    rule(
      "priority maxConnections maxPendingRequests",
      "maxRequests maxRetries retryBudget trackRemaining maxConnectionPools",
    ),
  ],
  [
    "envoy.config.cluster.v3.OutlierDetection",
    // Answers are not seen at L4, so everything that judges answers changes nothing.
    rule(
      "interval baseEjectionTime maxEjectionTime maxEjectionPercent consecutiveLocalOriginFailure enforcingConsecutiveLocalOriginFailure splitExternalLocalOriginErrors",
      "consecutive5xx enforcingConsecutive5xx consecutiveGatewayFailure enforcingConsecutiveGatewayFailure enforcingSuccessRate enforcingLocalOriginSuccessRate enforcingFailurePercentage enforcingFailurePercentageLocalOrigin successRateMinimumHosts successRateRequestVolume successRateStdevFactor failurePercentageThreshold failurePercentageMinimumHosts failurePercentageRequestVolume maxEjectionTimeJitter successfulActiveHealthCheckUnejectHost alwaysEjectOneHost",
    ),
  ],
  [`${core}.TransportSocket`, rule("typedConfig", "name")],
  ["envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", rule("")],
  [
    `${tls}.DownstreamTlsContext`,
    // Sessions: this engine resumes none.
    rule(
      "commonTlsContext requireClientCertificate",
      "disableStatelessSessionResumption disableStatefulSessionResumption sessionTimeout",
    ),
  ],
  [`${tls}.UpstreamTlsContext`, rule("commonTlsContext sni", "maxSessionKeys")],
  [
    `${tls}.CommonTlsContext`,
    rule(
      "tlsParams tlsCertificateSdsSecretConfigs validationContextSdsSecretConfig combinedValidationContext alpnProtocols",
    ),
  ],
  [
    `${tls}.CommonTlsContext.CombinedCertificateValidationContext`,
    rule("defaultValidationContext validationContextSdsSecretConfig"),
  ],
  // TLS 1.3 with our own order of key exchanges is what this engine always speaks; the reader
  // refuses a version range without 1.3 and curves without one of ours.
  [`${tls}.TlsParameters`, rule("tlsMinimumProtocolVersion tlsMaximumProtocolVersion ecdhCurves")],
  [`${tls}.SdsSecretConfig`, rule("name sdsConfig")],
  [
    `${core}.ConfigSource`,
    rule("ads self pathConfigSource", "resourceApiVersion initialFetchTimeout"),
  ],
  [`${core}.AggregatedConfigSource`, rule("")],
  [`${core}.SelfConfigSource`, rule("", "transportApiVersion")],
  // The launcher hands over the identity itself: the path is Envoy's way to the same bytes.
  [`${core}.PathConfigSource`, rule("", "path watchedDirectory")],
  [`${tls}.Secret`, rule("name validationContext")],
  [
    `${tls}.CertificateValidationContext`,
    rule("trustedCa matchTypedSubjectAltNames customValidatorConfig", "maxVerifyDepth"),
  ],
  [`${core}.TypedExtensionConfig`, rule("typedConfig", "name")],
  [`${tls}.SPIFFECertValidatorConfig`, rule("trustDomains")],
  [`${tls}.SPIFFECertValidatorConfig.TrustDomain`, rule("name trustBundle")],
  [`${tls}.SubjectAltNameMatcher`, rule("sanType matcher")],
  [`${core}.DataSource`, rule("inlineBytes inlineString")],
  [`${core}.Address`, rule("socketAddress")],
  [`${core}.SocketAddress`, rule("protocol address portValue", "ipv4Compat")],
  [`${endpoint}.ClusterLoadAssignment`, rule("clusterName endpoints policy")],
  [
    `${endpoint}.ClusterLoadAssignment.Policy`,
    rule("overprovisioningFactor weightedPriorityHealth"),
  ],
  // Proximity is Envoy's unused hint.
  [
    `${endpoint}.LocalityLbEndpoints`,
    rule("locality lbEndpoints loadBalancingWeight priority", "metadata proximity"),
  ],
  [`${core}.Locality`, rule("region zone subZone")],
  [`${endpoint}.LbEndpoint`, rule("endpoint healthStatus metadata loadBalancingWeight")],
  // Health checks are the agent's.
  [`${endpoint}.Endpoint`, rule("address", "hostname healthCheckConfig")],
  [`${core}.Metadata`, rule("filterMetadata", "typedFilterMetadata")],
]);
