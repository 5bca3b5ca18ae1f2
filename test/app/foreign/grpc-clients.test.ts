import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { TestMesh } from "../support/test-mesh.ts";
import { startClient, startGrpcMember } from "./support/foreign-mesh.ts";

const host = "cart.shop.svc.cluster.local";

for (const library of ["grpc-js", "python"] as const) {
  suite(`a program with ${library}`, () => {
    test("reaches a workload of its own member", async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      const east = await startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a"] });
      const client = await startClient(mesh, east, { library, target: `xds:///${host}` });
      const told = await client.ask(10_000);
      console.log(told);
      assert.equal(told.answer, "cart-east-a");
    });
  });
}
