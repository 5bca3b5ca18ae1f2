import { test } from "node:test";
import { startCluster } from "../cluster.ts";

// Run by a test that kills its runner: says who is to end with it, then waits to be ended.
test("holds a cluster", async () => {
  await using cluster = await startCluster({ name: "held", controllers: false });
  process.stdout.write(`${process.pid} ${cluster.etcd.process.pid} ${cluster.apiServer.pid}\n`);
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
