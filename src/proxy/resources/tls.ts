import { create } from "@bufbuild/protobuf";
import type { ServiceId } from "../../mesh/ids.ts";
import { keyExchanges } from "../../mesh/key-exchanges.ts";
import type { ServiceTarget } from "../../mesh/names.ts";
import { identityName, meshValidationName, sniOf, validationName } from "../../mesh/names.ts";
import { ApiVersion } from "../../xds/gen/envoy/config/core/v3/config_source_pb.ts";
import {
  TlsParameters_TlsProtocol,
  TlsParametersSchema,
} from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { SdsSecretConfig } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SdsSecretConfigSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import {
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { shared } from "../../xds/shared.ts";
import { remembered } from "./remembered.ts";
import type { Extension } from "./wire.ts";
import { adsSource, extension } from "./wire.ts";

const tlsParams = shared(TlsParametersSchema, {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  ecdhCurves: [...keyExchanges],
});

/**
 * The proxy's own key never travels: its launcher puts it into a folder beside the engine. The path is
 * relative to the engine's working directory, so that these bytes are the same for every proxy.
 */
const identitySecret = shared(SdsSecretConfigSchema, {
  name: identityName,
  sdsConfig: {
    configSourceSpecifier: {
      case: "pathConfigSource",
      value: { path: "identity/sds.json", watchedDirectory: { path: "identity" } },
    },
    resourceApiVersion: ApiVersion.V3,
  },
});

/**
 * mTLS towards whoever serves the target. The peers' names come by SDS and nowhere else: Envoy joins
 * both lists with OR, and a new exporter must not touch the cluster.
 */
export function upstreamTls(target: ServiceTarget): Extension {
  return extension(tlsSocketName, UpstreamTlsContextSchema, {
    sni: sniOf(target),
    commonTlsContext: contextTowards(target.service),
  });
}

// The targets of a service are built one after the other.
const contextTowards = remembered((service: ServiceId) =>
  shared(CommonTlsContextSchema, {
    tlsParams,
    tlsCertificateSdsSecretConfigs: [identitySecret],
    validationContextType: {
      case: "combinedValidationContext",
      value: {
        defaultValidationContext: {},
        validationContextSdsSecretConfig: adsSecret(validationName(service)),
      },
    },
  }),
);

/**
 * mTLS for callers: any member of the mesh may knock, RBAC says who comes in. `alpnProtocols`: for callers
 * that offer some.
 */
export function downstreamTls(alpnProtocols: readonly string[] = []): Extension {
  return extension(tlsSocketName, DownstreamTlsContextSchema, {
    requireClientCertificate: true,
    // A resumed session shows no certificate: it would outlive it, its issuer and any root.
    sessionTicketKeysType: { case: "disableStatelessSessionResumption", value: true },
    disableStatefulSessionResumption: true,
    commonTlsContext: {
      tlsParams,
      alpnProtocols: [...alpnProtocols],
      tlsCertificateSdsSecretConfigs: [identitySecret],
      validationContextType: {
        case: "validationContextSdsSecretConfig",
        value: adsSecret(meshValidationName),
      },
    },
  });
}

const tlsSocketName = "envoy.transport_sockets.tls";

function adsSecret(name: string): SdsSecretConfig {
  return create(SdsSecretConfigSchema, { name, sdsConfig: adsSource });
}
