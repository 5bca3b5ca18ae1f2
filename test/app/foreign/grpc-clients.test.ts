import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, type TestContext, test } from "node:test";
import type { ProxyAnswer, ServiceAnswer } from "../../../src/app/api-model.ts";
import { until } from "../support/ask.ts";
import { TestMesh } from "../support/test-mesh.ts";
import {
  type ClientWish,
  type ForeignClient,
  type GrpcMember,
  type Library,
  python,
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

async function oneMember(mesh: TestMesh): Promise<GrpcMember> {
  await mesh.issue("east", "us-east-1");
  return startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a"] });
}

async function twoMembers(
  mesh: TestMesh,
  options: { readonly hasSidecars?: boolean } = {},
): Promise<readonly [GrpcMember, GrpcMember]> {
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const both = await Promise.all([
    startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a", "b"], ...options }),
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

const hasPythons = spawnSync(python, ["-c", "import grpc"]).status === 0;
// Without it the other one is tried alone, but never where all of it must be there.
const isPythonLeftOut = !hasPythons && process.env["CI"] === undefined;
const libraries: readonly Library[] = isPythonLeftOut ? ["grpc-js"] : ["grpc-js", "python"];

/** The same for a program of each library, at the same time. */
function each<T>(run: (library: Library) => Promise<T>): Promise<readonly T[]> {
  return Promise.all(libraries.map(run));
}

function startBoth(
  mesh: TestMesh,
  member: GrpcMember,
  wish: Omit<ClientWish, "library">,
): Promise<readonly Program[]> {
  return each(async (library) => {
    const client = await startClient(mesh, member, { library, ...wish });
    return { library, ...client };
  });
}

type Program = ForeignClient & { readonly library: Library };

async function allAsk(programs: readonly Program[], deadlineMs?: number): Promise<readonly Told[]> {
  return Promise.all(programs.map(({ ask }) => ask(deadlineMs)));
}

/** What each was told before it was answered by `name`. */
async function allUntil(programs: readonly Program[], name: string): Promise<readonly Told[]> {
  return (await Promise.all(programs.map(({ askUntil }) => askUntil(name)))).flat();
}

function assertAllAnswered(told: readonly Told[], pattern: RegExp): void {
  for (const { answer, error } of told) assert.match(answer ?? error ?? "", pattern);
}

function assertNoneFailed(told: readonly Told[]): void {
  assert.deepEqual(
    told.filter(({ code }) => code !== undefined),
    [],
  );
}

const athome = /^cart-east-[ab]$/;

suite("programs with grpc-js and with Python's gRPC", () => {
  const skip = isPythonLeftOut ? `no gRPC for ${python}: install python3-grpcio` : false;
  test("are of both libraries", { skip }, () => assert.equal(libraries.length, 2));

  test("are served at home, fail over zone by zone, then to another member through its gateway", async (t) => {
    await using mesh = await TestMesh.open();
    const [east, west] = await twoMembers(mesh);
    const programs = await startBoth(mesh, east, { target: `xds:///${host}`, sni });
    const first = await allAsk(programs, 10_000);
    assertAllAnswered(first, athome);
    t.diagnostic(`first call: ${first.map(({ tookMs }) => Math.round(tookMs)).join(" and ")} ms`);

    const home = ["cart-east-a", "cart-east-b"];
    await east.kill(0);
    const toZone = await allUntil(programs, "cart-east-b");
    assertOnlyCut(toZone, home);
    report(t, "to the other zone", toZone);

    await east.kill(1);
    const toMember = await allUntil(programs, "cart-west-a");
    assertOnlyCut(toMember, home);
    report(t, "to the other member", toMember);

    await east.revive(0);
    const back = await allUntil(programs, "cart-east-a");
    assertOnlyCut(back, ["cart-west-a"]);
    report(t, "back home", back);
    await west.kill(0);
    assertAllAnswered(await allAsk(programs), /^cart-east-a$/);
  });

  test("find the service under each of its names; only one that tells the SNI leaves the member", async () => {
    await using mesh = await TestMesh.open();
    const [east] = await twoMembers(mesh);
    const setHost = "cart.shop.svc.clusterset.local";
    const byName = async (name: string): Promise<readonly Program[]> => {
      const programs = await startBoth(mesh, east, { target: `xds:///${name}` });
      assertAllAnswered(await allAsk(programs, 10_000), athome);
      return programs;
    };
    for (const name of [`${host}:80`, setHost]) await byName(name);
    const byHost = await byName(host);
    const bySni = await byName(sni);
    await Promise.all([east.kill(0), east.kill(1)]);
    await allUntil(bySni, "cart-west-a");
    // Their hello names a host without a port, and a gateway guesses none.
    for (const { code } of await allAsk(byHost, 2000)) assert.equal(code, unavailable);
  });

  test("move without a failed call when the owner of a workload takes it out, and when it is back", async () => {
    await using mesh = await TestMesh.open();
    const [east] = await twoMembers(mesh);
    const programs = await startBoth(mesh, east, { target: `xds:///${sni}` });
    await allAsk(programs, 10_000);
    await east.ready(() => false);
    assertNoneFailed(await allUntil(programs, "cart-west-a"));
    await east.ready(({ zone }) => zone === "b");
    assertNoneFailed(await allUntil(programs, "cart-east-b"));
  });

  test("call on while their agent is away, and follow the next one", async () => {
    await using mesh = await TestMesh.open();
    const [east] = await twoMembers(mesh);
    const programs = await startBoth(mesh, east, { target: `xds:///${sni}` });
    await allAsk(programs, 10_000);
    await east.stopAgent();
    for (let calls = 0; calls < 20; calls += 1) {
      assertAllAnswered(await allAsk(programs), athome);
    }
    await east.restartAgent();
    await east.ready(({ zone }) => zone === "b");
    assertNoneFailed(await allUntil(programs, "cart-east-b"));
    await east.ready(() => false);
    await allUntil(programs, "cart-west-a");
  });

  test("refuse whoever stands at the workload's address with another identity", async () => {
    await using mesh = await TestMesh.open();
    const east = await oneMember(mesh);
    const programs = await startBoth(mesh, east, { target: `xds:///${host}` });
    assertAllAnswered(await allAsk(programs, 10_000), /^cart-east-a$/);
    await east.kill(0);
    await east.revive(0, "other");
    for (let calls = 0; calls < 3; calls += 1) {
      for (const { code } of await allAsk(programs, 3000)) assert.equal(code, unavailable);
    }
  });

  test("see in plaintext workloads without a sidecar, and nobody else", async () => {
    await using mesh = await TestMesh.open();
    const [east] = await twoMembers(mesh, { hasSidecars: false });
    const programs = await startBoth(mesh, east, {
      target: `xds:///${host}`,
      security: "plaintext",
      isBare: true,
    });
    assertAllAnswered(await allAsk(programs, 10_000), athome);
    await east.kill(0);
    await allUntil(programs, "cart-east-b");
    await east.kill(1);
    // A gateway is no way in the clear.
    for (const { code } of await allAsk(programs, 2000)) assert.equal(code, unavailable);
  });

  test("that have no certificates where they ask for mTLS are seen in the list of proxies", async () => {
    await using mesh = await TestMesh.open();
    const east = await oneMember(mesh);
    const programs = await startBoth(mesh, east, { target: `xds:///${host}`, isBare: true });
    for (const { code } of await allAsk(programs, 3000)) assert.equal(code, unavailable);
    const isRefusing = ({ types }: ProxyAnswer): boolean =>
      types.some(({ refused }) => refused > 0);
    const { proxies } = await until<{ proxies: ProxyAnswer[] }>(
      `${east.agent.httpUrl}/api/v1/proxies`,
      (answer) => answer.proxies.filter(isRefusing).length === libraries.length,
    );
    for (const program of proxies.filter(({ role }) => role === "grpc")) {
      assert.equal(program.node, "grpc/shop/frontend-1");
      assert.equal(program.identity, undefined);
      const nack = program.types.find(({ type }) => type === "cluster")?.lastNack;
      assert.match(nack ?? "", /isthmus/, "the name of the certificates that it lacks");
    }
  });
});
