import { isScalar } from "yaml";
import { type HostPort, isIp, isLoopback } from "../../mesh/address.ts";
import { type Namespace, parseNamespace, parseServiceId } from "../../mesh/ids.ts";
import { groupNamespace } from "../../mesh/workload-group.ts";
import { type LogLevel, logLevels } from "../../telemetry/names.ts";
import { defaultLogLevel } from "./agent-config.ts";
import { capture, uncapturable } from "./capture-config.ts";
import type {
  EngineConfig,
  EngineKind,
  GatewayConfig,
  RegistrationConfig,
  SidecarConfig,
  SidecarInbound,
  SidecarUpstream,
} from "./config.ts";
import {
  address,
  checked,
  duration,
  either,
  integer,
  list,
  mapped,
  object,
  oneOf,
  optional,
  type Parser,
  required,
  text,
} from "./config-parser.ts";
import { identity } from "./identity-config.ts";
import { registration } from "./registration-config.ts";

// Readiness and metrics are for this machine; a kubelet probes by exec or asks for more.
const defaultAdmin: HostPort = { host: "127.0.0.1", port: 15_021 };
// One process passes some Gbit/s; more of them help where one core is full.
const defaultWorkers = 1;
const maxWorkers = 64;
// Every port of the mesh, on every address: other members come from anywhere.
const defaultGatewayListen: HostPort = { host: "0.0.0.0", port: 15_443 };

// As many as an agent has replicas.
const maxAgents = 9;
const agents: Parser<readonly HostPort[]> = checked(
  either(
    mapped(address, (only) => [only]),
    list(address, 1),
  ),
  (all) => (all.length > maxAgents ? `it has more than ${maxAgents}` : undefined),
);

const engineFields = {
  agent: required(agents),
  identity: required(identity),
  engine: optional<EngineKind>(oneOf(["embedded", "envoy"]), "embedded"),
  workers: optional(integer({ min: 1, max: maxWorkers }), defaultWorkers),
  admin: optional(address, defaultAdmin),
  logLevel: optional<LogLevel>(oneOf(logLevels), defaultLogLevel),
} as const;

/** gateway.yaml */
export const gatewayConfigParser: Parser<GatewayConfig> = mapped(
  object<GatewayFields>({
    ...engineFields,
    listen: optional(address, defaultGatewayListen),
    address: optional<HostPort | undefined>(address, undefined),
    drain: optional<number | undefined>(duration({ min: 1_000, max: 3_600_000 }), undefined),
  }),
  ({ address: leadsHere, drain, ...rest }) => ({
    ...withAgents<Omit<GatewayConfig, "address" | "drainMs">>(rest),
    ...(drain === undefined ? {} : { drainMs: drain }),
    ...(leadsHere === undefined ? {} : { address: leadsHere }),
  }),
);

type GatewayFields = Written<Omit<GatewayConfig, "address" | "drainMs">> & {
  readonly drain: number | undefined;
  readonly address: HostPort | undefined;
};

/** `agent` as it stands in a file: one address, or several. */
type Written<Config extends EngineConfig> = Omit<Config, "agent" | "otherAgents"> & {
  readonly agent: readonly HostPort[];
};

function withAgents<Config extends EngineConfig>(
  written: Written<Config>,
): Omit<Config, "agent" | "otherAgents"> & Pick<EngineConfig, "agent" | "otherAgents"> {
  const [agent, ...otherAgents] = written.agent;
  if (agent === undefined) throw new RangeError("A list that needs one is empty");
  return { ...written, agent, ...(otherAgents.length === 0 ? {} : { otherAgents }) };
}

const upstream: Parser<SidecarUpstream> = object<SidecarUpstream>({
  service: required(text(parseServiceId)),
  port: required(integer({ min: 1, max: 65_535 })),
  listen: required(ipAddress()),
});

const inbound: Parser<SidecarInbound> = object<SidecarInbound>({
  endpoint: required(ipAddress()),
  listen: required(ipAddress()),
  app: required(ipAddress()),
});

/** Names would have to be resolved again and again; workloads have addresses. */
function ipAddress(): Parser<HostPort> {
  return checked(address, ({ host }) => (isIp(host) ? undefined : `"${host}" is no IP address`));
}

// Each is a route of its own; a pod has a handful of containers with three probes each.
const maxProbePorts = 64;
const probePorts: Parser<readonly number[]> = checked(
  list(integer({ min: 1, max: 65_535 })),
  (all) => (all.length > maxProbePorts ? `it has more than ${maxProbePorts}` : undefined),
);

/** Kubernetes fills in nothing for a label that a pod does not have. */
const textOrNothing: Parser<string | undefined> = (place) =>
  isScalar(place.node) && place.node.value === "" ? undefined : text()(place);

// The answers are addresses of this machine: to others they would mean themselves.
const names: Parser<NonNullable<SidecarConfig["dns"]>> = object<NonNullable<SidecarConfig["dns"]>>({
  listen: required(
    checked(ipAddress(), ({ host }) =>
      isLoopback(host) ? undefined : `"${host}" is no loopback address: names are for this machine`,
    ),
  ),
});

type SidecarFields = Omit<
  Written<SidecarConfig>,
  "zone" | "probePorts" | "registration" | "dns"
> & {
  readonly zone: string | undefined;
  readonly probePorts: readonly number[] | undefined;
  readonly registration: RegistrationConfig | undefined;
  readonly dns: SidecarConfig["dns"];
};

/** sidecar.yaml */
export const sidecarConfigParser: Parser<SidecarConfig> = mapped(
  checked(
    object<SidecarFields>({
      ...engineFields,
      workload: required(text()),
      namespace: required(text<Namespace>(parseNamespace)),
      serviceAccount: required(text()),
      zone: optional<string | undefined>(textOrNothing, undefined),
      probePorts: optional<readonly number[] | undefined>(probePorts, undefined),
      capture: optional<SidecarConfig["capture"]>(capture, "ports"),
      upstreams: optional<readonly SidecarUpstream[]>(list(upstream), []),
      inbound: optional<readonly SidecarInbound[]>(list(inbound), []),
      registration: optional<RegistrationConfig | undefined>(registration, undefined),
      dns: optional<SidecarConfig["dns"]>(names, undefined),
    }),
    (config) => doubleListen(config) ?? uncapturable(config) ?? strangeGroup(config),
  ),
  ({ zone, probePorts: probed, registration: registered, dns, ...rest }) =>
    withAgents<SidecarConfig>({
      ...rest,
      ...(zone === undefined ? {} : { zone }),
      ...(probed === undefined ? {} : { probePorts: probed }),
      ...(registered === undefined ? {} : { registration: registered }),
      ...(dns === undefined ? {} : { dns }),
    }),
);

/** Nobody else's group takes it: its certificate says so. */
function strangeGroup({ namespace, registration: registered }: SidecarFields): string | undefined {
  if (registered === undefined || groupNamespace(registered.group) === namespace) return undefined;
  return `registration.group is in another namespace than ${namespace}`;
}

function doubleListen(config: SidecarFields): string | undefined {
  const taken = new Set<string>();
  for (const { listen } of [...config.upstreams, ...config.inbound]) {
    const where = `${listen.host}:${listen.port}`;
    if (listen.port !== 0 && taken.has(where)) return `two entries listen on ${where}`;
    taken.add(where);
  }
  return undefined;
}
