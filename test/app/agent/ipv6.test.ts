import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointsAnswer } from "../../../src/app/api-model.ts";
import type { HostPort } from "../../../src/mesh/address.ts";
import { askUntil, until } from "../support/ask.ts";
import { freePorts } from "../support/free-port.ts";
import { startApp, writeService } from "../support/shop.ts";
import { startCaller, TestMesh } from "../support/test-mesh.ts";

const six = (port: number): HostPort => ({ host: "::1", port });

test("a request crosses two members that know no IPv4: agents, gateway, sidecars, workload", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [gatewayPort = 0, appPort = 0, inboundPort = 0] = await freePorts(3);
  await writeService(mesh.servicesDir("east"), {
    name: "cart",
    isExported: true,
    workloads: [{ name: "cart-1", port: appPort, address: "::1" }],
  });
  await writeService(mesh.servicesDir("west"), { name: "other", isExported: false, workloads: [] });
  mesh.defer((await startApp("cart on IPv6", appPort, "::1")).kill);
  const config = (name: string, region: string): ReturnType<TestMesh["agentConfig"]> => ({
    ...mesh.agentConfig(name, region, 1),
    gateway: { addresses: name === "east" ? [six(gatewayPort)] : [] },
    xds: { listen: six(0) },
    http: { listen: six(0) },
  });
  const east = await mesh.startAgent(config("east", "us-east-1"));
  const west = await mesh.startAgent(config("west", "us-west-1"));
  assert.equal(east.xds.host, "::1");
  assert.match(west.httpUrl, /^http:\/\/\[::1\]:\d+$/);
  // Every address of the machine, both families.
  const listen = { host: "::", port: gatewayPort };
  await mesh.startGateway("east", { agent: east.xds, port: 0, listen, address: six(gatewayPort) });
  await mesh.startSidecar("east", {
    agent: east.xds,
    workload: "cart-1",
    serviceAccount: "cart",
    inbound: [{ endpoint: six(appPort), listen: six(inboundPort), app: six(appPort) }],
  });
  await Promise.all([east.whenWarm, west.whenWarm]);
  const member = { name: "west", agent: west };
  const { url } = await startCaller(mesh, member, "frontend-1", { host: "::1" });
  assert.match(url, /\[::1\]/);
  await askUntil(url, "cart on IPv6", { allowed: [], mayFail: true });

  const { ports } = await until<{ ports: EndpointsAnswer[] }>(
    `${west.httpUrl}/api/v1/endpoints?service=shop/cart`,
    () => true,
  );
  const [endpoint] = ports[0]?.endpoints ?? [];
  assert.deepEqual([endpoint?.address, endpoint?.via], [`[::1]:${gatewayPort}`, "gateway"]);
});
