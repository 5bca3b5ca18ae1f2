import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { isToldAlone } from "../../src/dataplane/io/ads-client.ts";
import type { Log } from "../../src/mesh/ports.ts";
import { identitySource, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import { silent, startEngine } from "./support/parts.ts";

test("isToldAlone() tells the first failures each and a long outage once in fifteen", () => {
  const told = Array.from({ length: 60 }, (_, index) => index + 1).filter(isToldAlone);
  assert.deepEqual(told, [1, 2, 3, 4, 5, 15, 30, 45, 60]);
});

test("an engine says when its agent goes and when it is back", async () => {
  const trust = await testTrust();
  const agentIdentity = await trust.identity("spiffe://east.acme.mesh/isthmus/agent");
  const identity = identitySource(
    await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/frontend"),
  );
  const lines: string[] = [];
  const log: Log = {
    ...silent,
    info: (_fields, message) => lines.push(message),
    warn: (_fields, message) => lines.push(message),
  };
  const agent = await FakeAgent.start(agentIdentity);
  const engine = startEngine({ agentPort: agent.port, identity, log });
  try {
    await engine.ready;
    assert.deepEqual(lines, []);
    agent.stop();
    const streamed = once(agent, "stream");
    await agent.listen(agentIdentity, agent.port);
    await streamed;
    await agent.answered("listener");
    assert.equal(lines[0], "Agent not reachable, configuration kept");
    assert.equal(lines.at(-1), "Agent reached again");
  } finally {
    await engine.close();
    agent.stop();
  }
});

test("an engine goes to another agent when its own is gone, keeps its configuration, and stays there", async () => {
  const trust = await testTrust();
  const agentIdentity = await trust.identity("spiffe://east.acme.mesh/isthmus/agent");
  const identity = identitySource(
    await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/frontend"),
  );
  const [first, second] = [
    await FakeAgent.start(agentIdentity),
    await FakeAgent.start(agentIdentity),
  ];
  const otherAgents = [{ host: "127.0.0.1", port: second.port }];
  const engine = startEngine({ agentPort: first.port, otherAgents, identity });
  try {
    await engine.ready;
    assert.equal(second.requests.length, 0);
    const moved = once(second, "stream");
    first.stop();
    await moved;
    await second.answered("listener");
    assert.ok(engine.status().isConnected);
    const streams = engine.status().counters.xdsStreams;
    await first.listen(agentIdentity, first.port);
    const back = once(first, "stream");
    second.stop();
    await back;
    assert.equal(engine.status().counters.xdsStreams, streams + 1, "it left only when it had to");
  } finally {
    await engine.close();
    first.stop();
    second.stop();
  }
});
