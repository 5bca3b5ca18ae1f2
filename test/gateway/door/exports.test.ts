import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { exportsOf } from "../../../src/gateway/door/exports.ts";
import { endpoint, http, localService, meshService, remoteExport } from "../../proxy/made.ts";

suite("exportsOf()", () => {
  test("names every TCP port under both suffixes", () => {
    const local = {
      ...localService([endpoint(1)]),
      ports: [http, { name: "dns", port: 53, protocol: "UDP" as const }],
    };
    assert.deepEqual(
      exportsOf(meshService({ local })).map(({ sni }) => sni),
      [
        "outbound_.80_._.cart.shop.svc.cluster.local",
        "outbound_.80_._.cart.shop.svc.clusterset.local",
      ],
    );
  });
  test("leads only to proven sidecars", () => {
    const local = localService([endpoint(1), endpoint(2, { sidecars: {} })]);
    const [first] = exportsOf(meshService({ local }));
    assert.deepEqual(
      first?.endpoints.map(({ address }) => address),
      ["10.1.0.1"],
    );
  });
  test("takes no name that every object has for a sidecar", () => {
    const ports = [{ name: "constructor", port: 80, protocol: "TCP" as const }];
    const local = { ...localService([endpoint(1)]), ports };
    assert.deepEqual(exportsOf(meshService({ local }))[0]?.endpoints, []);
  });
  test("leads nowhere for what is not exported, least of all to another member", () => {
    const { exported: _, ...secret } = localService([endpoint(1)]);
    assert.deepEqual(
      exportsOf(meshService({ local: secret, remotes: [remoteExport("west")] })),
      [],
    );
    assert.deepEqual(exportsOf(meshService({ remotes: [remoteExport("west")] })), []);
  });
});
