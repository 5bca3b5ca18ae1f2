// An agent whose clock is ten minutes off, and a newcomer whose clock is right: or, seen from the other side, the
// other way round. Certificates are backdated by fifteen.
import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { joinVm } from "../../src/app/join/show-token.ts";
import { describeGroup } from "../../src/app/launcher/registration/describe-group.ts";
import { parseServiceId, trustDomainOf } from "../../src/mesh/ids.ts";
import type { Clock } from "../../src/mesh/ports.ts";
import { readGroupId } from "../../src/mesh/workload-group.ts";
import { createCsr } from "../../src/trust/csr.ts";
import { identityOf } from "../../src/trust/identity.ts";
import { createJoinToken } from "../../src/trust/io/join-tokens.ts";
import { loadRoot } from "../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import {
  siteConfig,
  startShopper,
  startVm,
  writeGroup,
} from "../app/agent/registration/vm-site.ts";
import { askUntil } from "../app/support/ask.ts";
import { freePorts } from "../app/support/free-port.ts";
import { TestMesh } from "../app/support/test-mesh.ts";

const minuteMs = 60_000;

function shifted(byMs: number): Clock {
  return { nowMs: () => Date.now() + byMs, monotonicMs: () => performance.now() };
}

suite("a clock that is ten minutes off", () => {
  for (const minutes of [10, -10]) {
    const which = minutes > 0 ? "ahead" : "behind";
    test(`an agent's that is ${which} keeps nobody from joining, registering and calling`, async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      const [port = 0] = await freePorts(1);
      await writeGroup(mesh, { port });
      const config = siteConfig(mesh);
      const clock = shifted(minutes * minuteMs);
      const agent = await mesh.startAgent(config, { clock });
      const { bundle } = await loadRoot(join(mesh.dir, "root"));
      const { text } = await createJoinToken(config.catalog.snapshotDir, {
        nowMs: clock.nowMs(),
        wish: {
          grant: { t: "vm", group: parseServiceId("shop/carts"), services: [] },
          uses: 1,
          from: [],
          // Shorter than the clocks are apart: it is the agent's machine that both made it and judges it.
          ttlMs: 5 * minuteMs,
          rootSpkiSha256: bundle.roots[0]?.spkiSha256 ?? "",
          trustDomain: trustDomainOf(config.member.name, config.mesh),
        },
      });
      const key = newPrivateKey();
      const joined = await joinVm({ agents: [agent.xds], token: text, csr: createCsr(key) });
      const identity = identityOf(key, joined.svid);
      assert.ok(identity.notBeforeMs <= Date.now() && Date.now() < identity.notAfterMs);
      const { agentId } = joined.agent;
      const source = { current: () => identity, onChange: () => () => undefined };
      const definition = await describeGroup({
        agents: [agent.xds],
        agentId,
        identity: source,
        group: readGroupId("shop/carts") ?? assert.fail(),
      });
      assert.equal(definition.id, "shop/carts");
      await startVm(mesh, { name: "vm-1", address: "127.0.0.1", port, agents: [agent.xds] });
      const shopper = await startShopper(mesh, agent);
      await askUntil(shopper, "vm-1", { allowed: [], mayFail: true });
    });
  }
});
