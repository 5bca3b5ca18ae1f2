import { isGatewayHost } from "../../discovery/shards/records.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../../mesh/address.ts";
import { parseNamespace } from "../../mesh/ids.ts";
import type { AgentConfig } from "./config.ts";
import {
  checked,
  either,
  integer,
  list,
  mapped,
  object,
  optional,
  type Parser,
  required,
  text,
} from "./config-parser.ts";

// Istio's number, because operators' firewalls know it.
const defaultGatewayPort = 15_443;
// What fits into one TLS record; the post-quantum hybrid needs about 1,700 bytes of it.
const defaultMaxHelloBytes = 16_384;

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

interface WrittenAddress {
  /** Its port may be left out. */
  readonly address: string;
  readonly zone: string | undefined;
}

// A member record with more would cost every other member a handshake a second for each.
const maxGatewayAddresses = 16;

/** `gateway` of agent.yaml. */
export const agentGateway: Parser<AgentConfig["gateway"]> = checked(
  mapped(gatewayFields(), ({ addresses, service, port, maxClientHelloBytes }) => ({
    maxClientHelloBytes,
    ...(service === undefined ? {} : { service: { ...service, port } }),
    addresses: addresses.map(({ address: written, zone }) => ({
      ...withPort(written, port),
      ...(zone === undefined ? {} : { zone }),
    })),
  })),
  ({ addresses, service }) => {
    if (service !== undefined && addresses.length > 0) {
      return "it has both `addresses` and the `service` that has them: keep one";
    }
    const names = addresses.map(formatHostPort);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    return twice === undefined ? undefined : `addresses has ${twice} twice`;
  },
);

function gatewayFields(): Parser<{
  readonly addresses: readonly WrittenAddress[];
  readonly service: ObjectName | undefined;
  readonly port: number;
  readonly maxClientHelloBytes: number;
}> {
  return object({
    addresses: optional<readonly WrittenAddress[]>(gatewayAddresses(), []),
    service: optional<ObjectName | undefined>(text(parseObjectName), undefined),
    port: optional(integer({ min: 1, max: 65_535 }), defaultGatewayPort),
    maxClientHelloBytes: optional(integer({ min: 256, max: 16_384 }), defaultMaxHelloBytes),
  });
}

function gatewayAddresses(): Parser<readonly WrittenAddress[]> {
  // Checked with any port, kept as text until the default port is known.
  const written = text((value) => {
    const { host, port } = withPort(value, defaultGatewayPort);
    if (!isGatewayHost(host)) throw new RangeError(`"${host}" is neither an IP address nor a name`);
    if (port === 0) throw new RangeError("other members cannot dial port 0");
    return value;
  });
  const each = either<WrittenAddress>(
    mapped(written, (value) => ({ address: value, zone: undefined })),
    object<WrittenAddress>({
      address: required(written),
      zone: optional<string | undefined>(text(), undefined),
    }),
  );
  return checked(list(each), (all) =>
    all.length > maxGatewayAddresses ? `it has more than ${maxGatewayAddresses}` : undefined,
  );
}

function withPort(value: string, port: number): HostPort {
  const hasPort = /^[^:]+:\d+$|\]:\d+$/.test(value);
  if (hasPort) return parseHostPort(value);
  return parseHostPort(value.includes(":") ? `[${value}]:${port}` : `${value}:${port}`);
}

// Names of Services are DNS labels (RFC 1035).
const serviceName = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function parseObjectName(value: string): ObjectName {
  const [namespace = "", name = "", ...more] = value.split("/");
  if (more.length > 0 || !serviceName.test(name)) {
    throw new RangeError(`"${value}" is no NAMESPACE/NAME of a Service`);
  }
  return { namespace: parseNamespace(namespace), name };
}
