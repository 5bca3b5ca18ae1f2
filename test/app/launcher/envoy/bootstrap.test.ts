import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  type BootstrapOptions,
  bootstrapFile,
  bootstrapFor,
} from "../../../../src/app/launcher/envoy/bootstrap.ts";
import { prepareFolder } from "../../../../src/app/launcher/envoy/envoy-folder.ts";
import { parseMemberName, parseSpiffeId } from "../../../../src/mesh/ids.ts";
import { identityOf } from "../../../gateway/identities.ts";
import { madeMesh } from "../../../trust/made.ts";
import { envoys, whyNot } from "./envoys.ts";

const options: BootstrapOptions = {
  node: {
    id: "sidecar/shop/cart-1/0a1b2c3d",
    kind: "sidecar/shop/cart-1",
    metadata: { role: "sidecar", engine: "envoy", namespace: "shop", workload: "cart-1" },
  },
  member: parseMemberName("east"),
  zone: "a",
  agents: [{ host: "10.0.0.5", port: 15_012 }],
  agentId: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
};

test("bootstrapFor() says who the proxy is, whom it asks and whom it believes", (t) => {
  t.assert.snapshot(bootstrapFor(options));
});

interface Written {
  readonly node: { readonly locality: object };
  readonly staticResources: { readonly clusters: readonly WrittenCluster[] };
}

interface WrittenCluster {
  readonly type: string;
  readonly outlierDetection?: object;
  readonly loadAssignment: { readonly endpoints: readonly { readonly priority: number }[] };
}

test("bootstrapFor() asks several agents in their order, and leaves one that fails at once", () => {
  const { staticResources } = bootstrapFor({
    ...options,
    agents: ["10.0.0.5", "10.0.0.6", "fd00::7"].map((host) => ({ host, port: 15_012 })),
  }) as Written;
  const [xds] = staticResources.clusters;
  assert.equal(xds?.type, "STATIC");
  assert.deepEqual(
    xds.loadAssignment.endpoints.map(({ priority }) => priority),
    [0, 1, 2],
  );
  assert.ok(xds.outlierDetection !== undefined);
});

test("bootstrapFor() resolves an agent's name again and again, and never leaves the only agent", () => {
  const agents = [{ host: "agent.isthmus.svc", port: 15_012 }];
  const [xds] = (bootstrapFor({ ...options, agents }) as Written).staticResources.clusters;
  assert.equal(xds?.type, "STRICT_DNS");
  assert.equal(xds.outlierDetection, undefined);
});

test("bootstrapFor() names the zone as the agent names those of endpoints", () => {
  const zoneOf = (zone: string): object =>
    (bootstrapFor({ ...options, zone }) as Written).node.locality;
  assert.deepEqual([zoneOf("a"), zoneOf("")], [{ zone: "east/a" }, { zone: "east/" }]);
});

for (const { what, binary = "" } of envoys) {
  for (const hosts of [["10.0.0.5"], ["agent-0.local", "10.0.0.6"]]) {
    test(`${what} takes the bootstrap for ${hosts.length} agents without a word`, {
      skip: whyNot(binary === "" ? undefined : binary),
    }, async () => {
      const folder = await mkdtemp(join(tmpdir(), "isthmus-boot-"));
      const mesh = await madeMesh(Date.now());
      const id = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
      const identity = await identityOf(mesh, { issuer: mesh.east, id });
      const agents = hosts.map((host) => ({ host, port: 15_012 }));
      const bootstrap = bootstrapFor({ ...options, agents });
      await prepareFolder(folder, { bootstrap, identity });
      const flags = [
        "--mode",
        "validate",
        "--log-level",
        "warning",
        "--reject-unknown-dynamic-fields",
      ];
      const { stdout, stderr } = await promisify(execFile)(
        binary,
        [...flags, "--config-path", bootstrapFile],
        { cwd: folder },
      );
      await rm(folder, { recursive: true });
      assert.equal(stderr, "");
      assert.match(stdout, /OK/);
    });
  }
}
