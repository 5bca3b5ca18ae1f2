import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { EndpointsAnswer, StatusAnswer } from "../../../../src/app/api-model.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { local, TestMesh } from "../../support/test-mesh.ts";
import { siteConfig, startShopper, startVm, writeGroup } from "./vm-site.ts";

/** Resolves when the endpoints of `cart` have this health, in the order of their addresses. */
async function healths(agent: RunningAgent, wanted: readonly string[]): Promise<void> {
  const url = `${agent.httpUrl}/api/v1/endpoints?service=shop/cart`;
  await until<{ ports: EndpointsAnswer[] }>(url, ({ ports }) => {
    const seen = [...(ports[0]?.endpoints ?? [])].map(({ health }) => health);
    return JSON.stringify(seen.sort()) === JSON.stringify([...wanted].sort());
  });
}

test("an agent that restarts deregisters nobody, also who is away meanwhile", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const [port = 0, xds = 0] = await freePorts(2);
  await writeGroup(mesh, { port });
  const config = { ...siteConfig(mesh), xds: { listen: local(xds) } };
  const agent = await mesh.startAgent(config);
  const [first, second] = await Promise.all(
    ["127.0.0.1", "127.0.0.2"].map((address, at) =>
      startVm(mesh, { name: `vm-${at + 1}`, address, port, agents: [agent.xds] }),
    ),
  );
  const shopper = await startShopper(mesh, agent);
  await healths(agent, ["healthy", "healthy"]);
  await agent.stop({ deadlineMs: 5000 });
  const file = await readFile(join(config.catalog.snapshotDir, "registrations.json"), "utf8");
  assert.match(file, /"name":"vm-1"/);
  // Gone without a word, while nobody is there to hear of it.
  await second?.app.kill();
  await second?.sidecar[Symbol.asyncDispose]();
  const again = await mesh.startAgent(config);
  await again.whenWarm;
  await healths(again, ["healthy", "healthy"]);
  await askUntil(shopper, "vm-1", { allowed: [] });
  await first?.sidecar.whenReady;
});

test("a VM that vanishes drains at once, is unhealthy after the grace, and is forgotten after it", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const [port = 0] = await freePorts(1);
  await writeGroup(mesh, { port, disconnect: "{ unhealthyAfter: 2s, removeAfter: 4s }" });
  const agent = await mesh.startAgent(siteConfig(mesh));
  const at = { port, agents: [agent.xds] };
  const [gone] = await Promise.all([
    startVm(mesh, { ...at, name: "vm-1", address: "127.0.0.1" }),
    startVm(mesh, { ...at, name: "vm-2", address: "127.0.0.2" }),
  ]);
  await healths(agent, ["healthy", "healthy"]);
  await gone.sidecar[Symbol.asyncDispose]();
  await healths(agent, ["healthy", "draining"]);
  await healths(agent, ["healthy", "unhealthy"]);
  await healths(agent, ["healthy"]);
});

test("most VMs lost at once stay in use, and a finding says so until they are back", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const [port = 0, xds = 0] = await freePorts(2);
  await writeGroup(mesh, { port, disconnect: "{ unhealthyAfter: 1s, removeAfter: 2s }" });
  const agent = await mesh.startAgent({ ...siteConfig(mesh), xds: { listen: local(xds) } });
  const vms = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      startVm(mesh, { name: `vm-${n}`, address: `127.0.0.${n}`, port, agents: [agent.xds] }),
    ),
  );
  await healths(agent, ["healthy", "healthy", "healthy", "healthy"]);
  await Promise.all(vms.slice(0, 3).map(({ sidecar }) => sidecar[Symbol.asyncDispose]()));
  type Findings = {
    readonly findings: readonly { readonly code: string; readonly subject: string }[];
  };
  const url = `${agent.httpUrl}/api/v1/findings`;
  const isHeld = ({ findings }: Findings): boolean =>
    findings.some(({ code, subject }) => code === "REGISTRATION_HELD" && subject === "shop/carts");
  await until<Findings>(url, isHeld);
  await healths(agent, ["healthy", "healthy", "healthy", "healthy"]);
  await Promise.all(
    [1, 2, 3].map((n) =>
      startVm(mesh, {
        name: `vm-${n}`,
        address: `127.0.0.${n}`,
        port,
        agents: [agent.xds],
        hasApp: true,
      }),
    ),
  );
  await until<Findings>(url, (answer) => !isHeld(answer));
  await healths(agent, ["healthy", "healthy", "healthy", "healthy"]);
});

test("two agents of one member know the same VMs; a VM goes over to the other and stays one entry", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const [port = 0, xdsA = 0, xdsB = 0] = await freePorts(3);
  await writeGroup(mesh, { port });
  const base = siteConfig(mesh);
  const replica = (own: number, other: number): typeof base => ({
    ...base,
    xds: { listen: local(own) },
    catalog: {
      ...base.catalog,
      snapshotDir: join(mesh.dir, `state-${own}`),
      replicas: [local(other)],
      hubs: [],
    },
  });
  const a = await mesh.startAgent(replica(xdsA, xdsB));
  const b = await mesh.startAgent(replica(xdsB, xdsA));
  const agents = [a.xds, b.xds];
  const vm = await startVm(mesh, { name: "vm-1", address: "127.0.0.1", port, agents });
  const shopper = await startShopper(mesh, b);
  await healths(a, ["healthy"]);
  await healths(b, ["healthy"]);
  await askUntil(shopper, "vm-1", { allowed: [], mayFail: true });
  await a.stop({ deadlineMs: 1000 });
  // Its stream is at b from now on: b alone hears of its goodbye.
  await until<StatusAnswer>(`${b.httpUrl}/api/v1/status`, ({ proxies }) => proxies.sidecars === 2);
  await healths(b, ["healthy"]);
  await vm.sidecar.stop({ deadlineMs: 20_000 });
  await healths(b, []);
});
