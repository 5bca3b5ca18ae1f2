import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { EndpointsAnswer, ServiceAnswer } from "../../../../src/app/api-model.ts";
import { skipWithoutEnvoy } from "../../../gateway/real-envoy.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { TestMesh } from "../../support/test-mesh.ts";
import { siteConfig, startShopper, startVm, writeGroup } from "./vm-site.ts";

function carts(
  agent: RunningAgent,
  isWanted: (cart: NonNullable<ServiceAnswer["local"]>) => boolean,
): Promise<{ readonly services: readonly ServiceAnswer[] }> {
  return until(`${agent.httpUrl}/api/v1/services`, ({ services }) =>
    services.some(
      ({ service, local }) => service === "shop/cart" && local !== undefined && isWanted(local),
    ),
  );
}

for (const engine of ["embedded", "envoy"] as const) {
  const options = { skip: engine === "envoy" && skipWithoutEnvoy };
  test(
    `a VM behind ${engine} that registers serves, drains by its goodbye, and is gone after it`,
    options,
    async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      const [port = 0] = await freePorts(1);
      await writeGroup(mesh, { port });
      const agent = await mesh.startAgent(siteConfig(mesh));
      const shopper = await startShopper(mesh, agent);
      const first = await startVm(mesh, {
        name: "vm-1",
        address: "127.0.0.1",
        port,
        agents: [agent.xds],
        engine,
      });
      await askUntil(shopper, "vm-1", { allowed: [], mayFail: true });
      const second = await startVm(mesh, {
        name: "vm-2",
        address: "127.0.0.2",
        port,
        agents: [agent.xds],
        engine,
      });
      await askUntil(shopper, "vm-2", { allowed: ["vm-1"] });
      await carts(agent, ({ healthy, proven }) => healthy === 2 && proven === 2);
      const url = `${agent.httpUrl}/api/v1/endpoints?service=shop/cart`;
      const { ports } = await until<{ ports: EndpointsAnswer[] }>(url, () => true);
      const seen = ports[0]?.endpoints.map(({ via, zone }) => `${via} ${zone}`);
      assert.deepEqual(seen, ["sidecar east/a", "sidecar east/a"]);

      await first.sidecar.stop({ deadlineMs: 20_000 });
      await askUntil(shopper, "vm-2", { allowed: [] });
      await carts(agent, ({ total }) => total === 1);
      await second.sidecar.stop({ deadlineMs: 20_000 });
      await carts(agent, ({ total }) => total === 0);
    },
  );
}
