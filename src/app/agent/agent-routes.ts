import type { RemoteExport } from "../../discovery/mesh-service.ts";
import { formatHostPort } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import { parseServiceId } from "../../mesh/ids.ts";
import { hostOf } from "../../mesh/names.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import type { LocalService } from "../../mesh/service.ts";
import { endpointOrder } from "../../proxy/levels/endpoint-order.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type {
  EndpointAnswer,
  EndpointsAnswer,
  FindingsAnswer,
  MemberAnswer,
  ProxyAnswer,
  ProxyConfigAnswer,
  ServiceAnswer,
  StatusAnswer,
} from "../api-model.ts";
import type { AgentConfig } from "../config/config.ts";
import type { HttpQuery, HttpRoute } from "../http-server.ts";
import { didYouMean } from "../nearest.ts";
import { version } from "../version.ts";
import type { AgentCore } from "./agent-core.ts";
import type { AgentProxies, ConnectedProxy } from "./agent-proxies.ts";
import type { AgentTrust } from "./agent-trust.ts";

export interface AgentView {
  readonly config: AgentConfig;
  readonly core: AgentCore;
  readonly trust: AgentTrust;
  readonly proxies: AgentProxies;
  readonly storeName: string;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly log: Log;
  readonly startedAtMs: number;
}

/** `/api/v1/`, `/metrics`, `/healthz`, `/readyz`: read only, from memory. */
export function agentRoutes(view: AgentView): readonly HttpRoute[] {
  const { core, telemetry } = view;
  return [
    json("/api/v1/status", () => statusOf(view)),
    json("/api/v1/members", () => ({ members: membersOf(view) })),
    json("/api/v1/services", () => ({ services: servicesOf(view) })),
    json("/api/v1/endpoints", (query) => ({ ports: endpointsOf(view, query) })),
    json("/api/v1/proxies", () => ({ proxies: proxiesOf(view) })),
    json("/api/v1/proxies/:node/config", (query) => proxyConfigOf(view, query)),
    json("/api/v1/findings", (): FindingsAnswer => ({ findings: core.findings() })),
    {
      path: "/metrics",
      answer: async () => ({
        t: "text",
        body: await telemetry.render(),
        type: telemetry.contentType,
      }),
    },
    { path: "/healthz", answer: () => ({ t: "text", body: "ok\n" }) },
    {
      path: "/readyz",
      answer: () =>
        core.isWarm()
          ? { t: "text", body: "ok\n" }
          : { t: "text", body: `waiting for ${core.waitingFor().join(", ")}\n`, status: 503 },
    },
  ];
}

function json(path: string, body: (query: HttpQuery) => object): HttpRoute {
  return { path, answer: (query) => ({ t: "json", body: body(query) }) };
}

export function statusOf(view: AgentView): StatusAnswer {
  const { config, core, trust, proxies, clock } = view;
  const writer = core.catalog.writerStatus();
  const connected = proxies.proxies();
  const findings = core.findings();
  const countOf = (severity: string): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const services = [...core.resources.services()];
  const { agent, catalog } = trust.identities;
  return {
    mesh: config.mesh,
    member: config.member.name,
    version,
    upMs: Math.round(clock.monotonicMs() - view.startedAtMs),
    isWarm: core.isWarm(),
    waitingFor: core.waitingFor(),
    charterNumber: trust.charter().charter.number,
    catalog: {
      store: view.storeName,
      state: writer?.hubs[0]?.state ?? "behind",
      epoch: writer?.epoch,
      seq: writer?.seq,
    },
    services: {
      local: core.local.services.size,
      exported: [...core.local.services.values()].filter((one) => one.exported !== undefined)
        .length,
      remote: services.filter(({ remotes }) => remotes.length > 0).length,
    },
    members: countBy(
      membersOf(view).filter(({ state }) => state !== "self"),
      ({ state }) => state,
    ),
    proxies: {
      sidecars: connected.filter(({ node }) => node?.t === "sidecar").length,
      gateways: connected.filter(({ node }) => node?.t === "gateway").length,
      refusing: connected.filter(({ status }) => status.types.some(({ refused }) => refused > 0))
        .length,
    },
    findings: { error: countOf("error"), warning: countOf("warning"), info: countOf("info") },
    identities: [agent, catalog].map((source) => {
      const { id, notAfterMs } = source.current();
      return { id, notAfterMs };
    }),
  };
}

function countBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}

export function membersOf({ config, core, trust }: AgentView): readonly MemberAnswer[] {
  const statuses = new Map(core.catalog.memberStatus().map((status) => [status.member, status]));
  return trust.charter().charter.members.map((entry): MemberAnswer => {
    const { name, cloud, region, network, state: standing } = entry;
    const isSelf = name === config.member.name;
    const known = statuses.get(name);
    const verdict = core.neighbours.verdictOf(name);
    const isAbsent = known?.position === undefined;
    return {
      name,
      cloud,
      region,
      network,
      standing,
      state: isSelf ? "self" : isAbsent ? "absent" : verdict.state,
      lease: isSelf ? "live" : (known?.lease ?? "lost"),
      isUsable: isSelf || verdict.isUsable,
      share: isSelf ? 1 : verdict.share,
      exports: isSelf ? ownExports(core) : core.mesh.exportsOf(name),
      ageMs: isSelf ? 0 : known?.ageMs,
      rttMs: isSelf ? undefined : core.neighbours.rttOf(name),
      rank: isSelf ? undefined : core.neighbours.rankOf(name),
      gateways: isSelf ? ownGateways(config) : gatewaysOf(core, name),
      software: isSelf ? version : core.catalog.shard(name)?.memberRecord()?.software,
    };
  });
}

function ownExports(core: AgentCore): number {
  return [...core.local.services.values()].filter((one) => one.exported !== undefined).length;
}

function ownGateways(config: AgentConfig): MemberAnswer["gateways"] {
  return config.gateway.addresses.map((address) => ({
    address: formatHostPort(address),
    isAlive: true,
    rttMs: undefined,
  }));
}

function gatewaysOf(core: AgentCore, member: MemberName): MemberAnswer["gateways"] {
  const reports = core.neighbours.reports().filter((report) => report.member === member);
  return core.neighbours.gatewaysOf(member).map(({ address, port, isAlive }) => ({
    address: formatHostPort({ host: address, port }),
    isAlive,
    rttMs: reports.find((report) => report.address === address && report.port === port)?.rttMs,
  }));
}

function servicesOf({ core }: AgentView): readonly ServiceAnswer[] {
  return [...core.resources.services()]
    .map(
      (service): ServiceAnswer => ({
        service: service.id,
        type: service.type,
        ports: service.ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
        isExported: service.local?.exported !== undefined,
        isShared: service.isLocalNameShared,
        local: service.local === undefined ? undefined : localCount(service.local),
        remotes: service.remotes.map(remoteCount),
      }),
    )
    .sort((left, right) => (left.service < right.service ? -1 : 1));
}

function localCount(local: LocalService): NonNullable<ServiceAnswer["local"]> {
  return {
    healthy: local.endpoints.filter(({ health }) => health === "healthy").length,
    total: local.endpoints.length,
    proven: local.endpoints.filter(({ sidecars }) => sidecars !== undefined).length,
  };
}

function remoteCount(remote: RemoteExport): ServiceAnswer["remotes"][number] {
  const sum = (field: "healthy" | "total"): number =>
    remote.zones.reduce((total, zone) => total + zone[field], 0);
  return {
    member: remote.member,
    healthy: sum("healthy"),
    total: sum("total"),
    isUsable: remote.isUsable,
  };
}

function endpointsOf(view: AgentView, query: HttpQuery): readonly EndpointsAnswer[] {
  const { core, config } = view;
  const id = parseServiceId(query.text("service") ?? "");
  const service = core.resources.service(id);
  if (service === undefined) {
    const known = [...core.resources.services()].map((one) => one.id);
    throw new MeshError(
      "MESH_NOT_FOUND",
      `Cannot find service "${id}": nobody offers it here${didYouMean(id, known)}`,
    );
  }
  const from = placeOf(query.text("from") ?? defaultPlace(view), config);
  const wanted = query.text("port");
  const lines = endpointOrder(service, core.resources.viewer(from.zone)).filter(
    ({ target }) => wanted === undefined || String(target.port) === wanted,
  );
  const byTarget = new Map<string, EndpointsAnswer & { endpoints: EndpointAnswer[] }>();
  for (const line of lines) {
    const { target } = line;
    const key = `${hostOf(target)}:${target.port}`;
    const known = byTarget.get(key) ?? {
      service: id,
      port: target.port,
      host: hostOf(target),
      from,
      endpoints: [],
    };
    byTarget.set(key, known);
    known.endpoints.push({
      priority: line.priority,
      level: line.level,
      member: line.member,
      region: line.region,
      zone: line.zone,
      address: formatHostPort({ host: line.address, port: line.port }),
      via: line.via,
      health: line.health,
      share: line.share,
      why: line.why,
    });
  }
  return [...byTarget.values()];
}

/** Where most callers of this member stand. */
function defaultPlace({ core, config }: AgentView): string {
  const callers = [...(core.resources.viewer("").callers ?? [])];
  const [zone] = callers.sort(([, left], [, right]) => right - left)[0] ?? [""];
  return `${config.member.name}/${zone}`;
}

function placeOf(text: string, config: AgentConfig): EndpointsAnswer["from"] {
  const [member = "", ...rest] = text.split("/");
  const zone = rest.join("/");
  if (member === config.member.name) return { member, zone };
  throw new MeshError(
    "MESH_USAGE",
    `Cannot look from "${text}": this agent speaks for ${config.member.name}; ask the agent of that member`,
  );
}

function proxiesOf({ proxies, clock }: AgentView): readonly ProxyAnswer[] {
  return proxies.proxies().map(
    ({ status, node }: ConnectedProxy): ProxyAnswer => ({
      node: status.nodeId,
      role: node?.t ?? "unknown",
      engine: node?.engine ?? "unknown",
      zone: node?.t === "sidecar" ? node.zone : "",
      identity: status.peer?.id,
      userAgent: status.userAgent,
      connectedMs: Math.round(clock.nowMs() - status.connectedAtMs),
      isStuck: status.stuckSinceMs !== undefined,
      types: status.types.map(({ type, held, unanswered, refused, lastNack }) => ({
        type,
        held,
        unanswered,
        refused,
        lastNack: lastNack?.message,
      })),
    }),
  );
}

function proxyConfigOf({ proxies }: AgentView, query: HttpQuery): ProxyConfigAnswer {
  const asked = query.text("node") ?? "";
  const known = proxies.proxies().map(({ status }) => status.nodeId);
  const matching = known.filter((node) => isNamed(node, asked));
  const [node = asked, ...others] = matching;
  const resources = others.length > 0 ? undefined : proxies.configOf(node);
  if (resources !== undefined) return { node, resources };
  const truth =
    others.length > 0
      ? `it may be ${matching.slice(0, 5).join(" or ")}`
      : `it has no open stream${didYouMean(asked, known)}`;
  throw new MeshError("MESH_NOT_FOUND", `Cannot find proxy "${asked}": ${truth}`);
}

/** Instances have random names: `cart-1` and `sidecar/shop/cart-1` are enough where only one fits. */
function isNamed(node: string, asked: string): boolean {
  return node === asked || node.startsWith(`${asked}/`) || node.split("/")[2] === asked;
}
