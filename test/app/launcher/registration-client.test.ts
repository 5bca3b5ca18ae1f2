import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { RegistrationClient } from "../../../src/app/launcher/registration/registration-client.ts";
import { makeWorkload } from "../../../src/app/trust-tasks.ts";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import type { Identity, Log } from "../../../src/mesh/ports.ts";
import type { GroupDefinition } from "../../../src/mesh/workload-group.ts";
import { loadIdentity } from "../../../src/trust/io/identity-store.ts";
import { siteConfig, writeGroup } from "../agent/registration/vm-site.ts";
import { freePorts } from "../support/free-port.ts";
import { local, silentLog, TestMesh } from "../support/test-mesh.ts";

const agentId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");

/** What agent and client said, in order. */
function recorder(): { readonly log: Log; readonly said: (message: string) => number } {
  const messages: string[] = [];
  const keep = (_fields: object, message: string): void => void messages.push(message);
  return {
    log: { debug: keep, info: keep, warn: keep, error: keep },
    said: (message) => messages.filter((one) => one === message).length,
  };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let looks = 0; looks < 1000 && !isSo(); looks += 1) await wait(20);
  assert.ok(isSo(), "it never came to that");
}

test("a new certificate takes the stream over, and nobody holds the workload for lost", async () => {
  const heard = recorder();
  await using mesh = await TestMesh.open(heard.log);
  await mesh.issue("east", "us-east-1");
  const [port = 0] = await freePorts(1);
  await writeGroup(mesh, { port });
  const agent = await mesh.startAgent(siteConfig(mesh));
  await agent.whenWarm;
  const issue = async (name: string): Promise<Identity> => {
    const out = join(mesh.dir, name);
    await makeWorkload({ account: "shop/cart", dir: join(mesh.dir, "east", "trust"), out });
    return await loadIdentity(out);
  };
  let current = await issue("first");
  const listeners = new Set<(identity: Identity) => void>();
  const definitions: GroupDefinition[] = [];
  const client = new RegistrationClient({
    // Nobody is at the first: the second one is as good.
    agents: [local(1), agent.xds],
    agentId,
    identity: {
      current: () => current,
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    registration: () => ({
      group: "shop/carts",
      instanceSecret: Buffer.alloc(32, 9),
      name: "vm-1",
      address: "127.0.0.1",
      zone: "",
      version: "1.0.0",
    }),
    onDefinition: (definition) => definitions.push(definition),
    log: silentLog,
    random: () => 0,
  });
  client.start();
  await until(() => client.isRegistered);
  assert.deepEqual(definitions.at(-1)?.services, ["shop/cart"]);

  current = await issue("second");
  for (const listener of listeners) listener(current);
  await until(() => heard.said("Workload registered") === 2);
  await until(() => client.isRegistered);
  await wait(200);
  assert.equal(heard.said("Workload's stream is lost"), 0);

  await writeGroup(mesh, { port, disconnect: "{ unhealthyAfter: 7s }" });
  await until(() => definitions.at(-1)?.unhealthyAfterMs === 7000);

  const left = await client.leave(5000);
  assert.deepEqual(left, { t: "told", missing: [] });
  assert.equal(heard.said("Workload has left"), 1);
  assert.equal(heard.said("Workload's stream is lost"), 0);
});
