import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import { identitySource, type TestTrust, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import {
  dial,
  dialTls,
  echo,
  endOf,
  exchange,
  mtlsServer,
  portOf,
  startEngine,
  type TestServer,
} from "./support/parts.ts";
import { edsCluster, gatewayListener, hosts, validation } from "./support/resources.ts";

const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const probeSni = "probe.east.acme.mesh";

describe("a gateway", () => {
  let trust: TestTrust;
  let agent: FakeAgent;
  let engine: Engine;
  let cart: TestServer;
  let port = 0;

  before(async () => {
    trust = await testTrust();
    cart = await mtlsServer(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/cart"), echo);
    agent = await FakeAgent.start(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
    agent.set(
      edsCluster(sni),
      hosts(sni, [{ port: cart.port }]),
      validation("validation|mesh", { bundlePem: trust.bundlePem }),
      gatewayListener(0, { probeSni, agents: ["spiffe://west.acme.mesh/isthmus/agent"] }),
    );
    const identity = identitySource(
      await trust.identity("spiffe://east.acme.mesh/isthmus/gateway"),
    );
    engine = startEngine({ agentPort: agent.port, identity });
    await engine.ready;
    port = portOf(engine, "gateway");
  });

  after(async () => {
    await engine.close();
    agent.stop();
    await cart[Symbol.asyncDispose]();
  });

  test("forwards a TLS session it cannot read to the workload behind the SNI", async () => {
    const identity = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/frontend");
    const client = dialTls(port, { identity, sni });
    await once(client, "secureConnect");
    assert.match(
      client.getPeerCertificate().subjectaltname ?? "",
      /east.acme.mesh\/ns\/shop\/sa\/cart/,
    );
    assert.equal(await exchange(client, "hello"), "hello");
    client.end();
    assert.deepEqual(await endOf(client), { text: "", wasReset: false });
  });

  test("ends the probe itself, for agents only", async () => {
    const identity = await trust.identity("spiffe://west.acme.mesh/isthmus/agent");
    const probe = dialTls(port, { identity, sni: probeSni });
    probe.write("ok");
    assert.deepEqual(await endOf(probe), { text: "ok", wasReset: false });
    assert.match(engine.status().counters.probesAnswered.toString(), /1/);
    const stranger = dialTls(port, {
      identity: await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/x"),
      sni: probeSni,
    });
    assert.equal((await endOf(stranger)).text, "");
    assert.equal(engine.status().counters.refused["not-allowed"], 1);
  });

  test("resets plain HTTP and counts it", async () => {
    const client = dial(port);
    client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert.equal((await endOf(client)).text, "");
    assert.equal(engine.status().counters.refused["not-tls"], 1);
  });
});
