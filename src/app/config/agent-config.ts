import type { HostPort } from "../../mesh/address.ts";
import {
  type NetworkName,
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
} from "../../mesh/ids.ts";
import { type LogLevel, logLevels } from "../../telemetry/names.ts";
import { agentGateway } from "./agent-gateway-config.ts";
import type {
  AgentConfig,
  AgentMember,
  CatalogConfig,
  HubConfig,
  KubernetesSourceConfig,
  SourceConfig,
  XdsSocket,
} from "./config.ts";
import {
  address,
  checked,
  duration,
  either,
  list,
  mapped,
  object,
  oneOf,
  optional,
  type Parser,
  path,
  required,
  text,
  yes,
} from "./config-parser.ts";
import { hubs } from "./hub-config.ts";
import { kubernetes } from "./kubernetes/kubernetes-config.ts";
import { kubernetesSourceConfig } from "./kubernetes/source-config.ts";
import { trustConfig } from "./trust-config.ts";

// Readers allow three lost beats in a row; one is bad luck.
const defaultLeaseMs = 10_000;
// A shorter lease than this would be lost by a garbage collection and a slow hub.
const leaseMs = duration({ min: 1000, max: 600_000 });
// A region that stays away for a day is gone; a shorter outage must not cost its entries.
const defaultExpireAfterMs = 86_400_000;
const expireAfterMs = duration({ min: 60_000, max: 30 * 86_400_000 });
// Istio's number, because operators' firewalls know it. Proxies come from other machines.
const defaultXds: HostPort = { host: "0.0.0.0", port: 15_012 };
// The API shows who calls whom: nobody outside this machine reads it unless told so.
const defaultHttp: HostPort = { host: "127.0.0.1", port: 15_080 };
// State changes of the mesh; single requests only when someone looks for them.
export const defaultLogLevel: LogLevel = "info";

const member: Parser<AgentMember> = mapped(
  object<Omit<AgentMember, "network"> & { readonly network: NetworkName | undefined }>({
    name: required(text(parseMemberName)),
    cloud: required(text()),
    region: required(text()),
    network: optional<NetworkName | undefined>(text(parseNetworkName), undefined),
  }),
  // Most members are a network of their own.
  ({ network, ...rest }) => ({ ...rest, network: network ?? parseNetworkName(rest.name) }),
);

// Each is asked every second; two or three are what a site has.
const maxReplicas = 8;
const replicas: Parser<readonly HostPort[]> = checked(list(address, 1), (all) =>
  all.length > maxReplicas ? `it has more than ${maxReplicas}` : undefined,
);

interface CatalogFields extends Omit<CatalogConfig, "hubs" | "replicas"> {
  readonly replicas: readonly HostPort[] | undefined;
  readonly memory: true | undefined;
  readonly hubs: readonly HubConfig[] | undefined;
}

const catalog: Parser<CatalogConfig> = mapped(
  checked(
    object<CatalogFields>({
      memory: optional<true | undefined>(yes, undefined),
      hubs: optional<readonly HubConfig[] | undefined>(hubs, undefined),
      leaseMs: optional(leaseMs, defaultLeaseMs),
      snapshotDir: required(path),
      expireAfterMs: optional(expireAfterMs, defaultExpireAfterMs),
      replicas: optional<readonly HostPort[] | undefined>(replicas, undefined),
    }),
    ({ memory, hubs, replicas }) => {
      if (replicas !== undefined && hubs === undefined) {
        return "it has `replicas`, but they find out over `hubs` which of them writes";
      }
      if (memory === undefined && hubs === undefined) {
        return "it names no catalog: list `hubs`, or set `memory: true`";
      }
      return memory !== undefined && hubs !== undefined
        ? "it has both `memory` and `hubs`: keep one"
        : undefined;
    },
  ),
  ({ leaseMs, snapshotDir, expireAfterMs, hubs, replicas }) => ({
    leaseMs,
    snapshotDir,
    expireAfterMs,
    ...(hubs === undefined ? {} : { hubs }),
    ...(replicas === undefined ? {} : { replicas }),
  }),
);

interface SourceFields {
  readonly files: string | undefined;
  readonly kubernetes: KubernetesSourceConfig | undefined;
  readonly registration: { readonly t: "registration" } | undefined;
}

// What there is to say of them stands in their WorkloadGroups.
const registrationSource: Parser<{ readonly t: "registration" }> = mapped(
  object<object>({}),
  () => ({
    t: "registration",
  }),
);

const source: Parser<SourceConfig> = mapped(
  checked(
    object<SourceFields>({
      files: optional<string | undefined>(path, undefined),
      kubernetes: optional<KubernetesSourceConfig | undefined>(kubernetesSourceConfig, undefined),
      registration: optional<SourceFields["registration"]>(registrationSource, undefined),
    }),
    (fields) => {
      const named = Object.values(fields).filter((one) => one !== undefined);
      if (named.length === 0) {
        return "it names no source: set `files`, `kubernetes` or `registration`";
      }
      return named.length > 1
        ? "it has several of `files`, `kubernetes` and `registration`: write each as a source of its own"
        : undefined;
    },
  ),
  ({ files, kubernetes, registration }) =>
    registration ?? kubernetes ?? { t: "files", dir: files ?? "" },
);

const sources: Parser<readonly SourceConfig[]> = checked(list(source, 1), (all) =>
  all.filter(({ t }) => t === "registration").length > 1
    ? "it has `registration` twice: keep one"
    : undefined,
);

// What fits into the kernel's `sun_path`, its end marker included.
const maxSocketPathBytes = 107;

const socketPath: Parser<string> = checked(path, (value) =>
  Buffer.byteLength(value) > maxSocketPathBytes
    ? `"${value}" is longer than the ${maxSocketPathBytes} bytes that a socket's path may have`
    : undefined,
);

const xdsSocket: Parser<XdsSocket> = either(
  mapped(socketPath, (at) => ({ path: at, mode: "0600" as const })),
  object<XdsSocket>({
    path: required(socketPath),
    mode: optional<XdsSocket["mode"]>(oneOf(["0600", "0660"]), "0600"),
  }),
);

/** agent.yaml */
export const agentConfigParser: Parser<AgentConfig> = checked(
  object<AgentConfig>({
    mesh: required(text(parseMeshDomain)),
    member: required(member),
    trust: required(trustConfig),
    catalog: required(catalog),
    sources: required(sources),
    kubernetes: optional<AgentConfig["kubernetes"]>(kubernetes, undefined),
    // A member without a gateway calls others and is called by none.
    gateway: optional<AgentConfig["gateway"]>(agentGateway, { addresses: [] }),
    xds: optional<AgentConfig["xds"]>(
      mapped(
        object<{ listen: HostPort; socket: XdsSocket | undefined }>({
          listen: optional(address, defaultXds),
          // Whoever opens it learns where every service of the mesh is: only who is told so.
          socket: optional<XdsSocket | undefined>(xdsSocket, undefined),
        }),
        ({ listen, socket }) => ({ listen, ...(socket === undefined ? {} : { socket }) }),
      ),
      { listen: defaultXds },
    ),
    http: optional<AgentConfig["http"]>(
      mapped(
        object<{ listen: HostPort; health: HostPort | undefined }>({
          listen: optional(address, defaultHttp),
          // A kubelet and a metrics collector ask from outside; they need not see who calls whom.
          health: optional<HostPort | undefined>(address, undefined),
        }),
        ({ listen, health }) => ({ listen, ...(health === undefined ? {} : { health }) }),
      ),
      { listen: defaultHttp },
    ),
    logLevel: optional<LogLevel>(oneOf(logLevels), defaultLogLevel),
  }),
  ({ gateway: { service }, kubernetes: cluster }) =>
    service !== undefined && cluster === undefined
      ? "gateway has `service` without the `kubernetes` block that says whose Service it is"
      : undefined,
);
