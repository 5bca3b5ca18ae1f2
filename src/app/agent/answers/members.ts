import type { ProbeFailure } from "../../../gateway/io/prober.ts";
import { nameKey, stateOfEntry } from "../../../gateway/remote/gateway-book.ts";
import type { KnownHost } from "../../../gateway/remote/host-answer.ts";
import { formatHostPort, isIp } from "../../../mesh/address.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { GatewayAnswer, MemberAnswer } from "../../api-model.ts";
import { version } from "../../version.ts";
import type { AgentView } from "../agent-view.ts";
import type { AgentCore } from "../core/agent-core.ts";

/** `isthmus members` */
export function membersOf(view: AgentView): readonly MemberAnswer[] {
  const { config, core, trust } = view;
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
      gateways: isSelf ? ownGateways(view) : gatewaysOf(view, name),
      software: isSelf ? version : core.catalog.shard(name)?.memberRecord()?.software,
    };
  });
}

/** How many services this member offers to others. */
export function ownExports(core: AgentCore): number {
  return [...core.local.services.values()].filter((one) => one.exported !== undefined).length;
}

/** As its gateways announce themselves: this agent does not probe its own member. */
function ownGateways({ core }: AgentView): readonly GatewayAnswer[] {
  return (core.drains.own.addresses() ?? []).map(
    (address): GatewayAnswer => ({
      address: formatHostPort(address),
      isAlive: true,
      rttMs: undefined,
      name: address.host,
      zone: address.zone,
      state: core.drains.own.stateOf(formatHostPort(address)),
      resolvedMs: undefined,
      lastError: undefined,
    }),
  );
}

function gatewaysOf(
  { core, clock }: Pick<AgentView, "core" | "clock">,
  member: MemberName,
): readonly GatewayAnswer[] {
  const { neighbours } = core;
  const reports = neighbours.reports().filter((report) => report.member === member);
  const nowMs = clock.monotonicMs();
  const ageOf = (name: string): number | undefined => {
    const atMs = neighbours.resolutionOf(name)?.answeredAtMs;
    return atMs === undefined ? undefined : Math.round(nowMs - atMs);
  };
  const book = neighbours.gatewayBookOf(member);
  const found = book.map((entry): GatewayAnswer => {
    const { name, address, port, zone } = entry;
    const report = reports.find((one) => one.address === address && one.port === port);
    return {
      address: formatHostPort({ host: address, port }),
      isAlive: entry.probe !== "silent",
      rttMs: report?.rttMs,
      name,
      zone,
      state: stateOfEntry(entry),
      resolvedMs: ageOf(name),
      lastError: errorAt(report?.lastFailure, nowMs),
    };
  });
  const resolved = new Set(book.map(nameKey));
  const stated = core.catalog.shard(member)?.memberRecord()?.gateways ?? [];
  const unresolved = stated
    .filter(({ host, port }) => !isIp(host) && !resolved.has(nameKey({ name: host, port })))
    .map(
      ({ host, port, zone }): GatewayAnswer => ({
        address: formatHostPort({ host, port }),
        isAlive: false,
        rttMs: undefined,
        name: host,
        zone,
        state: "unresolved",
        resolvedMs: ageOf(host),
        lastError: errorAt(dnsFailure(neighbours.resolutionOf(host)), nowMs),
      }),
    );
  return [...found, ...unresolved];
}

function dnsFailure(known: KnownHost | undefined): ProbeFailure | undefined {
  const { failing } = known ?? {};
  return failing === undefined ? undefined : { reason: failing.reason, atMs: failing.sinceMs };
}

function errorAt(failure: ProbeFailure | undefined, nowMs: number): GatewayAnswer["lastError"] {
  if (failure === undefined) return undefined;
  return { reason: failure.reason, agoMs: Math.max(0, Math.round(nowMs - failure.atMs)) };
}
