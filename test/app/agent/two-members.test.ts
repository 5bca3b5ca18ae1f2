import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  EndpointsAnswer,
  MemberAnswer,
  ServiceAnswer,
  StatusAnswer,
} from "../../../src/app/api-model.ts";
import { askUntil, until } from "../support/ask.ts";
import { startMember, startTwoMembers, TestMesh } from "../support/test-mesh.ts";

const none = { allowed: [] };

test("a request is served locally, then through both gateways and back, without a failure", async () => {
  await using mesh = await TestMesh.open();
  const { east, caller } = await startTwoMembers(mesh);
  await askUntil(caller.url, "cart of east", none);

  // East learns of west from the catalog: the charter that names it, its shard, its proven cart.
  await until<{ services: ServiceAnswer[] }>(
    `${east.agent.httpUrl}/api/v1/services`,
    ({ services }) =>
      services.some(({ remotes }) =>
        remotes.some(({ member, healthy }) => member === "west" && healthy === 1),
      ),
  );
  // What east says of west's callers is what the catalog tells: counts, and its own gateway.
  const url = `${east.agent.httpUrl}/api/v1/endpoints?service=shop/cart&from=west/a`;
  const { ports } = await until<{ ports: EndpointsAnswer[] }>(url, ({ ports }) =>
    ports.every(({ endpoints }) => endpoints.length === 2),
  );
  assert.deepEqual(
    ports[0]?.endpoints.map(({ priority, member, via, count, share }) => [
      priority,
      member,
      via,
      count,
      share,
    ]),
    [
      [0, "west", "sidecar", 1, 1],
      [1, "east", "gateway", undefined, 0],
    ],
  );
  assert.equal(ports[0]?.isEstimate, true);
  assert.match(ports[0]?.assumed.join() ?? "", /round trips that only it measures/);

  await east.drain(true);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"] });
  await east.drain(false);
  await askUntil(caller.url, "cart of east", { allowed: ["cart of west"] });

  // Killed, application and sidecar alike: new requests find the other member at once.
  await Promise.all([east.cart.kill(), east.cartSidecar.stop({ deadlineMs: 0 })]);
  await askUntil(caller.url, "cart of west", none);

  const { members } = await until<{ members: MemberAnswer[] }>(
    `${east.agent.httpUrl}/api/v1/members`,
    ({ members }) => members.some(({ state }) => state === "live"),
  );
  assert.deepEqual(
    members.map(({ name, state, exports }) => [name, state, exports]),
    [
      ["east", "self", 1],
      ["west", "live", 1],
    ],
  );
});

test("a member whose gateway is gone becomes unreachable, and its last copies stay in use", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [east, west] = await Promise.all([
    startMember(mesh, "east", "us-east-1"),
    startMember(mesh, "west", "us-west-1"),
  ]);
  await Promise.all([east.agent.whenWarm, west.agent.whenWarm]);
  const url = `${east.agent.httpUrl}/api/v1/members`;
  const isWest =
    (state: string) =>
    (answer: { members: MemberAnswer[] }): boolean =>
      answer.members.some((member) => member.name === "west" && member.state === state);
  await until(url, isWest("live"));
  await west.gateway.stop({ deadlineMs: 0 });
  const { members } = await until(url, isWest("unreachable"));
  assert.equal(members.find(({ name }) => name === "west")?.isUsable, false);
  const status = await until<StatusAnswer>(`${east.agent.httpUrl}/api/v1/status`, () => true);
  assert.deepEqual(
    status.silentGateways.map(({ member, state, lastError }) => [member, state, lastError?.reason]),
    [["west", "silent", "it refuses the connection (ECONNREFUSED)"]],
  );
});

test("a charter that denies a member cuts it off: its exports go, and it may not probe", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [east, west] = await Promise.all([
    startMember(mesh, "east", "us-east-1"),
    startMember(mesh, "west", "us-west-1"),
  ]);
  await Promise.all([east.agent.whenWarm, west.agent.whenWarm]);
  const services = `${east.agent.httpUrl}/api/v1/services`;
  await until<{ services: ServiceAnswer[] }>(services, (answer) =>
    answer.services.some(({ remotes }) => remotes.length === 1),
  );
  await mesh.deny("west");
  await until<{ services: ServiceAnswer[] }>(services, (answer) =>
    answer.services.every(({ remotes }) => remotes.length === 0),
  );
  const { members } = await until<{ members: MemberAnswer[] }>(
    `${east.agent.httpUrl}/api/v1/members`,
    () => true,
  );
  assert.equal(members.find(({ name }) => name === "west")?.standing, "denied");
  // The denied one learns it too, and says so.
  await until<{ findings: { code: string }[] }>(
    `${west.agent.httpUrl}/api/v1/findings`,
    ({ findings }) => findings.some(({ code }) => code === "TRUST_MEMBER_DENIED"),
  );
});
