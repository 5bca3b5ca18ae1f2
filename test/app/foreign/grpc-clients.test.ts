import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import type { ProxyAnswer, ServiceAnswer } from "../../../src/app/api-model.ts";
import { until } from "../support/ask.ts";
import { TestMesh } from "../support/test-mesh.ts";
import {
  type GrpcMember,
  type Library,
  startClient,
  startGrpcMember,
  type Told,
} from "./support/foreign-mesh.ts";

const host = "cart.shop.svc.cluster.local";
const sni = `outbound_.80_._.${host}`;
const unavailable = 14;

/** Waits until east knows the carts of west, and how many of them are healthy. */
async function whenKnown(east: GrpcMember, healthy: number): Promise<void> {
  await until<{ services: ServiceAnswer[] }>(
    `${east.agent.httpUrl}/api/v1/services`,
    ({ services }) =>
      services.some(({ remotes }) =>
        remotes.some((remote) => remote.member === "west" && remote.healthy === healthy),
      ),
  );
}

async function twoMembers(mesh: TestMesh): Promise<readonly [GrpcMember, GrpcMember]> {
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const both = await Promise.all([
    startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a", "b"] }),
    startGrpcMember(mesh, "west", { region: "us-west-1", zones: ["a"] }),
  ]);
  await whenKnown(both[0], 1);
  return both;
}

/** What a death may cost: calls that were on their way, or found nobody yet. */
function assertOnlyCut(told: readonly Told[], allowed: readonly string[]): void {
  for (const { answer, code, error } of told) {
    const isFine = code === unavailable || allowed.includes(answer ?? "");
    assert.ok(isFine, `${answer ?? code}: ${error}`);
  }
}

function report(t: TestContext, what: string, told: readonly Told[]): void {
  const failed = told.filter(({ code }) => code !== undefined).length;
  t.diagnostic(`${what}: ${failed} of ${told.length} calls failed before`);
}

const libraries: readonly Library[] = ["grpc-js", "python"];

for (const library of libraries) {
  suite(`a program with ${library}`, () => {
    test("is served at home, fails over zone by zone, then to another member through its gateway", async (t) => {
      await using mesh = await TestMesh.open();
      const [east, west] = await twoMembers(mesh);
      const client = await startClient(mesh, east, { library, target: `xds:///${host}`, sni });
      const first = await client.ask(10_000);
      assert.match(first.answer ?? first.error ?? "", /^cart-east-[ab]$/);
      t.diagnostic(`first call: ${Math.round(first.tookMs)} ms`);

      const home = ["cart-east-a", "cart-east-b"];
      await east.kill(0);
      const toZone = await client.askUntil("cart-east-b");
      assertOnlyCut(toZone, home);
      report(t, "to the other zone", toZone);

      await east.kill(1);
      const toMember = await client.askUntil("cart-west-a");
      assertOnlyCut(toMember, home);
      report(t, "to the other member", toMember);

      await east.revive(0);
      const back = await client.askUntil("cart-east-a");
      assertOnlyCut(back, ["cart-west-a"]);
      report(t, "back home", back);
      await west.kill(0);
      assert.equal((await client.ask()).answer, "cart-east-a");
    });

    test("finds the service under each of its names; only one that tells the SNI leaves the member", async () => {
      await using mesh = await TestMesh.open();
      const [east] = await twoMembers(mesh);
      const setHost = "cart.shop.svc.clusterset.local";
      const targets = [host, `${host}:80`, sni, setHost, `${setHost}:80`];
      const clients = await Promise.all(
        targets.map((name) => startClient(mesh, east, { library, target: `xds:///${name}` })),
      );
      for (const client of clients) {
        assert.match((await client.ask(10_000)).answer ?? "", /^cart-east-[ab]$/);
      }
      await Promise.all([east.kill(0), east.kill(1)]);
      const [byHost, , bySni] = clients;
      await bySni?.askUntil("cart-west-a");
      const told = await byHost?.ask(2000);
      assert.equal(
        told?.code,
        unavailable,
        "its hello names no port, and the gateway lets none guess",
      );
    });

    test("moves without a failed call when the owner of a workload takes it out, and comes back", async () => {
      await using mesh = await TestMesh.open();
      const [east] = await twoMembers(mesh);
      const client = await startClient(mesh, east, { library, target: `xds:///${sni}` });
      await client.ask(10_000);
      const isAnswered = (told: readonly Told[]): void =>
        assert.deepEqual(
          told.filter(({ code }) => code !== undefined),
          [],
        );
      await east.ready(() => false);
      isAnswered(await client.askUntil("cart-west-a"));
      await east.ready(({ zone }) => zone === "b");
      isAnswered(await client.askUntil("cart-east-b"));
    });

    test("calls on while its agent is away, and follows the next one", async () => {
      await using mesh = await TestMesh.open();
      const [east] = await twoMembers(mesh);
      const client = await startClient(mesh, east, { library, target: `xds:///${sni}` });
      await client.ask(10_000);
      await east.stopAgent();
      for (let calls = 0; calls < 20; calls += 1) {
        assert.match((await client.ask()).answer ?? "", /^cart-east-[ab]$/);
      }
      await east.restartAgent();
      await east.ready(({ zone }) => zone === "b");
      const told = await client.askUntil("cart-east-b");
      assert.deepEqual(
        told.filter(({ code }) => code !== undefined),
        [],
      );
      await east.ready(() => false);
      await client.askUntil("cart-west-a");
    });

    test("refuses whoever stands at the workload's address with another identity", async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      const east = await startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a"] });
      const client = await startClient(mesh, east, { library, target: `xds:///${host}` });
      assert.equal((await client.ask(10_000)).answer, "cart-east-a");
      await east.kill(0);
      await east.revive(0, "other");
      for (let calls = 0; calls < 5; calls += 1) {
        assert.equal((await client.ask(3000)).code, unavailable);
      }
    });

    test("in plaintext sees workloads without a sidecar, and nobody else", async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      await mesh.issue("west", "us-west-1");
      const [east] = await Promise.all([
        startGrpcMember(mesh, "east", {
          region: "us-east-1",
          zones: ["a", "b"],
          hasSidecars: false,
        }),
        startGrpcMember(mesh, "west", { region: "us-west-1", zones: ["a"] }),
      ]);
      await whenKnown(east, 1);
      const wish = {
        library,
        target: `xds:///${host}`,
        security: "plaintext",
        isBare: true,
      } as const;
      const client = await startClient(mesh, east, wish);
      assert.match((await client.ask(10_000)).answer ?? "", /^cart-east-[ab]$/);
      await east.kill(0);
      await client.askUntil("cart-east-b");
      await east.kill(1);
      assert.equal((await client.ask(2000)).code, unavailable, "a gateway is no way in the clear");
    });

    test("that has no certificates where it asks for mTLS says so in the list of proxies", async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      const east = await startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a"] });
      const wish = { library, target: `xds:///${host}`, isBare: true };
      const client = await startClient(mesh, east, wish);
      assert.equal((await client.ask(3000)).code, unavailable);
      const { proxies } = await until<{ proxies: ProxyAnswer[] }>(
        `${east.agent.httpUrl}/api/v1/proxies`,
        (answer) => answer.proxies.some(({ types }) => types.some(({ refused }) => refused > 0)),
      );
      const program = proxies.find(({ role }) => role === "grpc");
      assert.equal(program?.node, "grpc/shop/frontend-1");
      assert.equal(program?.identity, undefined);
      const nack = program?.types.find(({ type }) => type === "cluster")?.lastNack;
      assert.match(nack ?? "", /isthmus/);
    });
  });
}
