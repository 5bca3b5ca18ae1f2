/** Members on this machine: what they are issued, and their agents as processes. */
import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HubConfig } from "../../src/app/config/config.ts";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../src/app/trust-tasks.ts";
import { freePorts } from "../../test/app/support/free-port.ts";
import { ToldProcess } from "../../test/support/told-process.ts";
import type { AgentOrder, FromAgent, ToAgent } from "./mesh-agent.ts";

export type Agent = ToldProcess<ToAgent, FromAgent>;
export type Member = "east" | "west" | "near";

/** What west would use first of two others is near. */
const regionOf: Readonly<Record<Member, string>> = { east: "east", west: "west", near: "west" };
const agentFile = fileURLToPath(new URL("mesh-agent.ts", import.meta.url));

/** `accounts`: service accounts of namespace `shop`, each with a folder of its own beside `trust`. */
export async function issueMembers(
  dir: string,
  accounts: readonly string[],
  members: readonly Member[] = ["east", "west"],
): Promise<void> {
  await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
  for (const name of members) {
    const trust = join(dir, name, "trust");
    await makeMember({
      name,
      dir: join(dir, "root"),
      out: trust,
      cloud: "aws",
      region: regionOf[name],
      network: undefined,
      gatewayRanges: ["127.0.0.0/8", "10.0.0.0/8"],
      mayExport: ["shop"],
      renew: false,
    });
    await makeGateway({ dir: trust, out: join(dir, name, "gateway") });
    for (const account of accounts) {
      await makeWorkload({ account: `shop/${account}`, dir: trust, out: join(dir, name, account) });
    }
  }
}

export interface StartedAgent {
  readonly agent: Agent;
  readonly xdsPort: number;
}

/** Resolves when it serves proxies. The stack ends it. */
export async function startMemberAgent(of: {
  readonly member: Member;
  readonly dir: string;
  readonly host: string;
  readonly run: (path: string) => ChildProcess;
  readonly hubs: readonly HubConfig[];
  readonly services: number;
  readonly real?: NonNullable<AgentOrder["real"]>;
  readonly cluster?: NonNullable<AgentOrder["cluster"]>;
  readonly opened: AsyncDisposableStack;
}): Promise<StartedAgent> {
  const { member, host, hubs, services, real, cluster } = of;
  const agent: Agent = of.opened.use(new ToldProcess(of.run(agentFile)));
  const started = agent.hear("started");
  const warm = agent.hear("warm");
  const [gatewayPort = 0] = await freePorts(1);
  const dir = join(of.dir, member);
  await rm(join(dir, "state"), { recursive: true, force: true });
  const order: AgentOrder = {
    member,
    region: regionOf[member],
    dir,
    host,
    gatewayPort,
    hubs,
    services,
    ...(real === undefined ? {} : { real }),
    ...(cluster === undefined ? {} : { cluster }),
  };
  agent.tell({ t: "start", order });
  const { xdsPort } = await started;
  await warm;
  return { agent, xdsPort };
}

export function hubAt(url: string): HubConfig {
  return { url, name: url };
}
