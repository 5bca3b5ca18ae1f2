/** From the start of an agent's process until it serves proxies: 50 members from a hub, or from disk with no hub. */
import { join } from "node:path";
import { AgentProcess } from "./load/agent-process.ts";
import type { RemotePlan } from "./load/made-services.ts";
import { loadAverage, MeshStage } from "./load/mesh-stage.ts";
import { type Figure, report } from "./report.ts";

const members = Number(process.env["MEMBERS"] ?? 50);
const rounds = Number(process.env["ROUNDS"] ?? 5);
const remote = { services: 300, workloads: 4000, gateways: 1 } as const;
// Nobody listens there: the discard port.
const noHub = `hubs: [{ url: "redis://127.0.0.1:9" }]`;

interface Measured {
  readonly hubMs: readonly number[];
  readonly hubCpuMs: readonly number[];
  readonly diskMs: readonly number[];
  readonly diskCpuMs: readonly number[];
}

async function measure(remotes: number, names: RemotePlan["names"]): Promise<Measured> {
  await using stage = await MeshStage.open({
    remotes,
    localServices: remote.services,
    workloadsPerService: 4,
    exported: remote.services,
    remote: { ...remote, names },
    hubs: 1,
  });
  const measured = {
    hubMs: [] as number[],
    hubCpuMs: [] as number[],
    diskMs: [] as number[],
    diskCpuMs: [] as number[],
  };
  // The first start pays for the compile cache, as the first one after an installation does.
  for (let round = -1; round < rounds; round += 1) {
    const stateDir = join(stage.dir, `state-${round}`);
    {
      await using agent = await stage.agent({ name: `hub-${round}`, stateDir });
      const ms = await agent.warm();
      if (round >= 0) {
        measured.hubMs.push(ms);
        measured.hubCpuMs.push(agent.cpuMs());
      }
      // When it ends it saves what it knows.
    }
    const order = { dir: stage.dir, name: `disk-${round}`, catalog: noHub, stateDir };
    await using agent = await AgentProcess.start(order);
    const ms = await agent.warm();
    if (round < 0) continue;
    measured.diskMs.push(ms);
    measured.diskCpuMs.push(agent.cpuMs());
  }
  return measured;
}

function figuresOf(
  name: string,
  measured: Measured,
  targets: { hub?: number; disk?: number },
): Figure[] {
  const target = (atMost: number | undefined): Pick<Figure, "target"> =>
    atMost === undefined ? {} : { target: { atMost } };
  return [
    { name: `${name}: from a hub`, unit: "ms", samples: measured.hubMs, ...target(targets.hub) },
    { name: `${name}: from disk`, unit: "ms", samples: measured.diskMs, ...target(targets.disk) },
    { name: `${name}: CPU, from a hub`, unit: "ms", samples: measured.hubCpuMs },
    { name: `${name}: CPU, from disk`, unit: "ms", samples: measured.diskCpuMs },
  ];
}

const targets = { hub: 3000, disk: 1500 };
const figures: Figure[] = [];
for (const names of ["shared", "own"] as const) {
  const label = names === "shared" ? "the same names everywhere" : "names of their own";
  figures.push(
    ...figuresOf(`${members} members, ${label}`, await measure(members, names), targets),
  );
}
for (const part of [4, 2]) {
  const fewer = Math.ceil(members / part);
  figures.push(
    ...figuresOf(`${fewer} members, names of their own`, await measure(fewer, "own"), {}),
  );
}
report({
  claim:
    "an agent of a mesh of 50 members with 300 services each serves proxies 3 s after its start from a hub, 1.5 s from disk",
  setup: {
    ...remote,
    members,
    localServices: remote.services,
    hubs: 1,
    loadAverage: loadAverage(),
  },
  figures,
});
