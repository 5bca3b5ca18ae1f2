import { formatHostPort } from "../../../mesh/address.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { MemberAnswer } from "../../api-model.ts";
import type { AgentConfig } from "../../config/config.ts";
import { version } from "../../version.ts";
import type { AgentCore } from "../agent-core.ts";
import type { AgentView } from "../agent-view.ts";

/** `isthmus members` */
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

/** How many services this member offers to others. */
export function ownExports(core: AgentCore): number {
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
