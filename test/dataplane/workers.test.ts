import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { EngineWorkers } from "../../src/dataplane/io/workers.ts";
import { identitySource, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import {
  agentId,
  dialTls,
  echo,
  endOf,
  exchange,
  mtlsServer,
  silent,
  tcpServer,
} from "./support/parts.ts";
import { edsCluster, gatewayListener, hosts, validation } from "./support/resources.ts";

const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const probeSni = "probe.east.acme.mesh";
const entry = new URL("./support/worker-entry.ts", import.meta.url);

async function freePort(): Promise<number> {
  await using server = await tcpServer(() => {});
  return server.port;
}

test("EngineWorkers share one port, one identity and one sum of counters", async () => {
  const trust = await testTrust();
  const port = await freePort();
  const agent = await FakeAgent.start(
    await trust.identity("spiffe://east.acme.mesh/isthmus/agent"),
  );
  await using cart = await mtlsServer(
    await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/cart"),
    echo,
  );
  agent.set(
    edsCluster(sni),
    hosts(sni, [{ port: cart.port }]),
    validation("validation|mesh", { bundlePem: trust.bundlePem }),
    gatewayListener(port, { probeSni, agents: ["spiffe://west.acme.mesh/isthmus/agent"] }),
  );
  const identity = identitySource(await trust.identity("spiffe://east.acme.mesh/isthmus/gateway"));
  const workers = new EngineWorkers({
    node: { id: "gateway/isthmus/gw/1", metadata: {} },
    agent: { host: "127.0.0.1", port: agent.port },
    agentId,
    identity,
    log: silent,
    count: 2,
    entry,
  });
  await workers.ready;
  assert.deepEqual(workers.status().listeners, [
    { name: "gateway", address: { host: "127.0.0.1", port } },
  ]);
  const prober = await trust.identity("spiffe://west.acme.mesh/isthmus/agent");
  const caller = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/frontend");
  const clients = Array.from({ length: 16 }, () => dialTls(port, { identity: caller, sni }));
  for (const client of clients) assert.equal(await exchange(client, "ping"), "ping");
  // Each thread reports by itself; together they report each connection once.
  const { loads } = agent;
  await loads.until(() => loads.streams === 2 && loads.field("z0", "bytesIn") > 0, "payload");

  const streams = Promise.all([once(agent, "stream"), once(agent, "stream")]);
  identity.replace(await trust.identity("spiffe://east.acme.mesh/isthmus/gateway"));
  await streams;
  const probe = dialTls(port, { identity: prober, sni: probeSni });
  await once(probe, "secureConnect");
  const seen = probe.getPeerX509Certificate()?.toString() ?? "none";
  assert.ok(
    identity.current().certChainPem.replaceAll("\n", "").includes(seen.replaceAll("\n", "")),
  );
  probe.write("ok");
  assert.equal((await endOf(probe)).text, "ok");

  const drained = workers.drain(10_000);
  for (const client of clients) assert.equal(await exchange(client, "still"), "still");
  for (const client of clients) client.destroy();
  await drained;
  const { counters } = workers.status();
  assert.deepEqual([counters.connected, counters.probesAnswered, counters.open], [16, 1, 0]);
  agent.stop();
});
