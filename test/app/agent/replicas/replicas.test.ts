import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { startAgent } from "../../../../src/app/agent/agent.ts";
import { decodeKnowledge, sharePath } from "../../../../src/app/agent/replicas/replica-service.ts";
import type { ServiceAnswer } from "../../../../src/app/api-model.ts";
import type { AgentConfig } from "../../../../src/app/config/config.ts";
import { spiffeIdOf } from "../../../../src/app/launcher/spiffe-id-of.ts";
import { openAgentChannel } from "../../../../src/dataplane/io/agent-channel.ts";
import { parseSpiffeId } from "../../../../src/mesh/ids.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { holdIdentity } from "../../../../src/trust/io/renewal.ts";
import { until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { writeService } from "../../support/shop.ts";
import { local, silentLog, TestMesh } from "../../support/test-mesh.ts";

/** The configuration of one of two agents of `east`; `other` is the xDS port of the second one. */
function replicaConfig(
  mesh: TestMesh,
  ports: { readonly own: number; readonly other: number; readonly state: string },
): AgentConfig {
  const config = mesh.agentConfig("east", "us-east-1", 1);
  return {
    ...config,
    xds: { ...config.xds, listen: local(ports.own) },
    catalog: {
      ...config.catalog,
      snapshotDir: join(mesh.dir, ports.state),
      replicas: [local(ports.other)],
    },
  };
}

const provenAt = (wanted: number) => (answer: { readonly services: readonly ServiceAnswer[] }) =>
  answer.services[0]?.local?.proven === wanted;

test("a sidecar that proved itself to one replica is known to the other, also to one that starts later", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const [own = 0, other = 0, app = 0, inbound = 0] = await freePorts(4);
  await writeService(mesh.servicesDir("east"), {
    name: "cart",
    isExported: true,
    workloads: [{ name: "cart-1", port: app }],
  });
  const first = await mesh.startAgent(replicaConfig(mesh, { own, other, state: "state-1" }));
  await mesh.startSidecar("east", {
    agent: first.xds,
    workload: "cart-1",
    serviceAccount: "cart",
    inbound: [{ endpoint: local(app), listen: local(inbound), app: local(app) }],
  });
  await until(`${first.httpUrl}/api/v1/services`, provenAt(1));
  await using second = await startAgent(
    replicaConfig(mesh, { own: other, other: own, state: "state-2" }),
    { stores: [mesh.hub.connect()], log: silentLog },
  );
  await until(`${second.httpUrl}/api/v1/services`, provenAt(1));
});

test("whoever is no agent of the member is not told what sidecars proved", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await writeService(mesh.servicesDir("east"), { name: "cart", isExported: true, workloads: [] });
  const [own = 0, other = 0] = await freePorts(2);
  const agent = await mesh.startAgent(replicaConfig(mesh, { own, other, state: "state-1" }));
  const identity = holdIdentity(await loadIdentity(join(mesh.dir, "east", "gateway")));
  const agentId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");
  const client = openAgentChannel({ agent: agent.xds, agentId, identity, spiffeIdOf });
  const code = await new Promise((resolve) => {
    client.makeUnaryRequest(
      sharePath,
      () => Buffer.alloc(0),
      decodeKnowledge,
      {},
      (error) => resolve(error?.code),
    );
  });
  client.close();
  assert.equal(code, status.PERMISSION_DENIED);
});
