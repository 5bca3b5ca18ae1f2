import { lookup } from "node:dns/promises";
import { formatHostPort, type HostPort, isIp } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import { infrastructureSpiffeId, spiffePartsOf } from "../../../mesh/ids.ts";
import type { Identity } from "../../../mesh/ports.ts";
import type { GroupId } from "../../../mesh/workload-group.ts";
import { parseBundle } from "../../../trust/bundle.ts";
import { describeGroup } from "../../launcher/registration/describe-group.ts";
import { type AgentPage, agentPage } from "./agent-page.ts";
import { bad, type Diagnosis, good, odd } from "./diagnosis.ts";

export interface AgentLook {
  readonly agent: HostPort;
  /** Undefined: this VM has none, so only what needs none is looked at. */
  readonly identity: Identity | undefined;
  readonly group: GroupId | undefined;
}

// Certificates are made valid for 15 min before they are made: what is off by more cannot join.
const clockErrorMs = 10 * 60_000;
// The page says whole seconds, and the way to it takes a while.
const clockWarningMs = 30_000;
// Longer than any packet, shorter than what a server reads of a request's head.
const paddedBytes = 6_000;

/** Name, way, root, clock and packets' size towards one agent, then whether it knows this VM. */
export async function lookAtAgent(look: AgentLook): Promise<readonly Diagnosis[]> {
  const subject = formatHostPort(look.agent);
  const name = await lookAtName(look.agent);
  if (name?.state === "error") return [name];
  const page = await agentPage(look.agent);
  if (page.t === "failed") {
    const todo = "is the agent running, and do firewalls and routes let this machine to that port?";
    const silent = bad("VM_AGENT_REACHABLE", { subject, found: page.reason, todo });
    return name === undefined ? [silent] : [name, silent];
  }
  return [
    ...(name === undefined ? [] : [name]),
    good("VM_AGENT_REACHABLE", subject, `answers within ${Math.round(page.tookMs)} ms`),
    lookAtClock(subject, page),
    ...(look.identity === undefined ? [] : [lookAtRoot(subject, page, look.identity)]),
    await lookAtPackets(look.agent),
    ...(await lookAtGroup(look)),
  ];
}

async function lookAtName({ host }: HostPort): Promise<Diagnosis | undefined> {
  if (isIp(host)) return undefined;
  try {
    const found = await lookup(host, { all: true });
    return good("VM_AGENT_NAME", host, found.map(({ address }) => address).join(", "));
  } catch (thrown) {
    const todo =
      "name the agent by an address, or look after this machine's resolver (/etc/resolv.conf)";
    return bad("VM_AGENT_NAME", { subject: host, found: reasonOf(thrown), todo });
  }
}

function lookAtClock(subject: string, page: Extract<AgentPage, { t: "ok" }>): Diagnosis {
  const { aheadMs } = page;
  if (aheadMs === undefined)
    return good("VM_CLOCK", subject, "the agent does not say what time it is");
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const found = `this machine is ${seconds} s ${aheadMs < 0 ? "behind" : "ahead of"} the agent`;
  const todo = "look after the time on both machines: timedatectl, chronyc tracking";
  if (Math.abs(aheadMs) >= clockErrorMs) return bad("VM_CLOCK", { subject, found, todo });
  if (Math.abs(aheadMs) >= clockWarningMs) return odd("VM_CLOCK", { subject, found, todo });
  return good("VM_CLOCK", subject, seconds <= 1 ? "as the agent's" : found);
}

function lookAtRoot(
  subject: string,
  { roots }: Extract<AgentPage, { t: "ok" }>,
  { bundlePem }: Identity,
): Diagnosis {
  const own = parseBundle(bundlePem).roots.map(({ spkiSha256 }) => spkiSha256);
  const same = own.filter((one) => roots.includes(one));
  if (same.length > 0) return good("VM_ROOT", subject, `root ${same.join(", ")}`);
  return bad("VM_ROOT", {
    subject,
    found: `it trusts ${roots.join(", ") || "no root"}, this machine ${own.join(", ")}`,
    todo: "it is an agent of another mesh, or not an agent: correct --agent. Only when its operator confirms the new root: isthmus vm leave, then join with a new token",
  });
}

/** The same question short and long: when only the long one is lost, packets are too large for the way. */
async function lookAtPackets(agent: HostPort): Promise<Diagnosis> {
  const subject = formatHostPort(agent);
  const long = await agentPage(agent, { paddedBytes });
  if (long.t === "ok") return good("VM_MTU", subject, `${paddedBytes} bytes at once get through`);
  return bad("VM_MTU", {
    subject,
    found: `a short question is answered, one of ${paddedBytes} bytes is not (${long.reason})`,
    todo: "packets of full size are lost on the way, as in tunnels: lower the interface's MTU (ip link set DEV mtu 1400), or let ICMP through",
  });
}

async function lookAtGroup({ agent, identity, group }: AgentLook): Promise<readonly Diagnosis[]> {
  if (identity === undefined) return [];
  const subject = formatHostPort(agent);
  try {
    const { trustDomain } = spiffePartsOf(identity.id);
    const { id, services } = await describeGroup({
      agents: [agent],
      agentId: infrastructureSpiffeId(trustDomain, "agent"),
      identity: { current: () => identity, onChange: () => () => undefined },
      ...(group === undefined ? {} : { group }),
    });
    if (services.length > 0)
      return [good("VM_GROUP", subject, `${id}, behind ${services.join(", ")}`)];
    const found = `${id} backs no service`;
    return [
      odd("VM_GROUP", {
        subject,
        found,
        todo: "give a Service the group's labels as its selector",
      }),
    ];
  } catch (thrown) {
    const todo =
      "the agent takes this VM's certificate and group, or says why not: isthmus check there";
    return [bad("VM_GROUP", { subject, found: reasonOf(thrown), todo })];
  }
}
