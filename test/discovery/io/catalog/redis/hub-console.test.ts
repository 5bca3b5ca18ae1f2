import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectHub } from "../../../../../src/discovery/io/catalog/redis/hub-console.ts";
import { openCluster, openStandalone } from "../../../../support/redis/topologies.ts";
import { noSignal } from "./made-writes.ts";
import { storeDeps, testMesh } from "./store-deps.ts";

suite("connectHub()", () => {
  test("asks one server in plain words and says what it refuses", async () => {
    await using shape = await openStandalone();
    await using console = await connectHub(shape.hub, storeDeps(), noSignal);
    assert.equal(console.shape, "standalone");
    assert.equal(console.address.port, shape.servers[0]?.port);
    assert.equal(await console.call("SET", "a", 1), "OK");
    assert.deepEqual(await console.call("MGET", "a", "b"), ["1", null]);
    assert.match(String(await console.call("INFO", "server")), /redis_version/);
    await assert.rejects(console.call("NOSUCH"), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, "MESH_CATALOG_UNAVAILABLE");
      assert.match(thrown.message, /NOSUCH.*unknown command/);
      return true;
    });
  });

  test("finds the node of a cluster that has the mesh's keys", async () => {
    await using shape = await openCluster();
    await using console = await connectHub(shape.hub, storeDeps(), noSignal);
    assert.equal(console.address.port, (await shape.master(testMesh)).port);
    assert.equal(await console.call("SET", `isthmus:{${testMesh}}:x`, "1"), "OK");
  });

  test("rejects with what is wrong when nobody is there, and with the reason of an abort", async () => {
    const hub = { url: "redis://127.0.0.1:1", name: "nobody" };
    await assert.rejects(connectHub(hub, storeDeps(), noSignal), /"nobody".*ECONNREFUSED/);
    const aborted = AbortSignal.abort(new Error("enough"));
    await assert.rejects(connectHub(hub, storeDeps(), aborted), /enough/);
  });
});
