import { isMessage } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HostPort } from "../../mesh/address.ts";
import { isIp } from "../../mesh/address.ts";
import { keyExchanges } from "../../mesh/key-exchanges.ts";
import { identityName } from "../../mesh/names.ts";
import type { Address } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import type { DataSource, TransportSocket } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import { RawBufferSchema } from "../../xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { TlsParameters_TlsProtocol } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { CommonTlsContext } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { StringMatcher } from "../../xds/gen/envoy/type/matcher/v3/string_pb.ts";
import type { DownstreamTls, NameMatch, UpstreamTls, ValidationRef } from "./model.ts";
import { unpackExtension, unsupported } from "./supported.ts";

export function msOf(duration: Duration | undefined, otherwise: number): number {
  if (duration === undefined) return otherwise;
  return Number(duration.seconds) * 1000 + Math.round(duration.nanos / 1e6);
}

/** An IP literal and a port; names are the agent's to resolve. */
export function addressOf(address: Address | undefined, path: string): HostPort {
  if (address?.address.case !== "socketAddress") unsupported(path, "is not a socket address");
  const { address: host, portSpecifier } = address.address.value;
  if (portSpecifier.case !== "portValue" || portSpecifier.value > 65_535)
    unsupported(path, "has no port");
  if (!isIp(host)) unsupported(path, `names "${host}", which is not an IP address`);
  return { host, port: portSpecifier.value };
}

export function bytesOf(source: DataSource | undefined, path: string): Uint8Array {
  const specifier = source?.specifier;
  if (specifier?.case === "inlineBytes") return specifier.value;
  if (specifier?.case === "inlineString") return Buffer.from(specifier.value);
  return unsupported(path, "holds no inline bytes");
}

export function nameMatchOf(matcher: StringMatcher | undefined, path: string): NameMatch {
  const pattern = matcher?.matchPattern;
  const isKnown =
    pattern?.case === "exact" ||
    pattern?.case === "prefix" ||
    pattern?.case === "suffix" ||
    pattern?.case === "contains";
  if (!isKnown) return unsupported(path, "is neither exact, prefix, suffix nor contains");
  // An empty one of these would let everyone in.
  if (pattern.value === "") unsupported(path, "is empty");
  return { t: pattern.case, text: pattern.value };
}

export function isMatch(match: NameMatch, name: string): boolean {
  switch (match.t) {
    case "exact":
      return name === match.text;
    case "prefix":
      return name.startsWith(match.text);
    case "suffix":
      return name.endsWith(match.text);
    case "contains":
      return name.includes(match.text);
  }
}

/** Undefined: plain bytes. */
export function upstreamTlsOf(
  socket: TransportSocket | undefined,
  path: string,
): UpstreamTls | undefined {
  if (socket === undefined) return undefined;
  const message = unpackExtension(configOf(socket), path);
  if (isMessage(message, RawBufferSchema)) return undefined;
  if (!isMessage(message, UpstreamTlsContextSchema))
    return unsupported(path, "is no upstream socket");
  const common = message.commonTlsContext;
  requireOwnIdentity(common, path);
  if ((common?.alpnProtocols.length ?? 0) > 0) {
    unsupported(`${path}.alpnProtocols`, "is not empty, and what passes through is not looked at");
  }
  return { sni: message.sni, validation: validationOf(common, path) };
}

export function downstreamTlsOf(
  socket: TransportSocket | undefined,
  path: string,
): DownstreamTls | undefined {
  if (socket === undefined) return undefined;
  const message = unpackExtension(configOf(socket), path);
  if (isMessage(message, RawBufferSchema)) return undefined;
  if (!isMessage(message, DownstreamTlsContextSchema))
    return unsupported(path, "is no downstream socket");
  requireOwnIdentity(message.commonTlsContext, path);
  if (message.requireClientCertificate !== true) {
    unsupported(
      `${path}.requireClientCertificate`,
      "is not true, and callers without identity are not served",
    );
  }
  const common = message.commonTlsContext;
  return { validation: validationOf(common, path), alpn: common?.alpnProtocols ?? [] };
}

function configOf(socket: TransportSocket): Parameters<typeof unpackExtension>[0] {
  return socket.configType.case === "typedConfig" ? socket.configType.value : undefined;
}

function requireOwnIdentity(common: CommonTlsContext | undefined, path: string): void {
  const names = common?.tlsCertificateSdsSecretConfigs.map((config) => config.name) ?? [];
  if (names.length !== 1 || names[0] !== identityName) {
    unsupported(
      `${path}.tlsCertificateSdsSecretConfigs`,
      `is not the one secret "${identityName}"`,
    );
  }
  const params = common?.tlsParams;
  const newest = params?.tlsMaximumProtocolVersion ?? TlsParameters_TlsProtocol.TLS_AUTO;
  if (
    newest !== TlsParameters_TlsProtocol.TLS_AUTO &&
    newest !== TlsParameters_TlsProtocol.TLSv1_3
  ) {
    unsupported(`${path}.tlsParams.tlsMaximumProtocolVersion`, "leaves out TLS 1.3");
  }
  const curves = params?.ecdhCurves ?? [];
  if (curves.length > 0 && !curves.some((curve) => ourCurves.has(curve))) {
    unsupported(`${path}.tlsParams.ecdhCurves`, "names none of our key exchanges");
  }
}

const ourCurves: ReadonlySet<string> = new Set(keyExchanges);

/**
 * Names live in SDS only: Envoy ORs a default list with the one of SDS, so a default list is refused
 * rather than understood in another way.
 */
function validationOf(common: CommonTlsContext | undefined, path: string): ValidationRef {
  const type = common?.validationContextType;
  if (type?.case === "validationContextSdsSecretConfig") return { secret: type.value.name };
  if (type?.case !== "combinedValidationContext") {
    return unsupported(`${path}.validationContext`, "does not come from SDS");
  }
  const base = type.value.defaultValidationContext;
  if (base?.trustedCa !== undefined || (base?.matchTypedSubjectAltNames.length ?? 0) > 0) {
    unsupported(`${path}.combinedValidationContext.defaultValidationContext`, "is not empty");
  }
  const secret = type.value.validationContextSdsSecretConfig?.name ?? "";
  if (secret === "") unsupported(`${path}.combinedValidationContext`, "names no secret");
  return { secret };
}
