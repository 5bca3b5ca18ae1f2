// Whatever a VM, or whoever took one over, may try at the stream by which it registers.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { ServiceAnswer } from "../../../../src/app/api-model.ts";
import { spiffeIdOf } from "../../../../src/app/launcher/spiffe-id-of.ts";
import { makeWorkload } from "../../../../src/app/trust-tasks.ts";
import { openAgentChannel } from "../../../../src/dataplane/io/agent-channel.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseMeshDomain,
  trustDomainOf,
} from "../../../../src/mesh/ids.ts";
import type { Identity } from "../../../../src/mesh/ports.ts";
import type { GroupDefinition } from "../../../../src/mesh/workload-group.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { definitionIn } from "../../../../src/xds/registering/definition.ts";
import {
  describePath,
  encodeRegisterRequest,
  type RegisterRequest,
  type Registration,
  registerPath,
} from "../../../../src/xds/registering/requests.ts";
import {
  decodeRegisterResponse,
  encodeDescribeRequest,
  type RegisterResponse,
} from "../../../../src/xds/registering/responses.ts";
import { until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { TestMesh } from "../../support/test-mesh.ts";
import { siteConfig, startVm, writeGroup } from "./vm-site.ts";

const agentId = infrastructureSpiffeId(
  trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
  "agent",
);

const honest: Registration = {
  group: "shop/carts",
  instanceSecret: Buffer.alloc(32, 7),
  name: "vm-7",
  address: "127.0.0.7",
  zone: "",
  version: "1.0.0",
  health: { health: "healthy", reason: "" },
};

suite("registration refuses", () => {
  let mesh: TestMesh;
  let agent: RunningAgent;
  let cart: Identity;
  let port = 0;

  before(async () => {
    mesh = await TestMesh.open();
    await mesh.issue("east", "us-east-1");
    [port = 0] = await freePorts(1);
    await writeGroup(mesh, { port });
    agent = await mesh.startAgent(siteConfig(mesh));
    await agent.whenWarm;
    cart = await identityOf("cart");
    await startVm(mesh, { name: "vm-1", address: "127.0.0.1", port, agents: [agent.xds] });
    await carts(1);
  });

  after(async () => {
    await mesh[Symbol.asyncDispose]();
  });

  const identityOf = async (serviceAccount: string): Promise<Identity> => {
    const out = join(mesh.dir, `svid-${serviceAccount}`);
    await makeWorkload({
      account: `shop/${serviceAccount}`,
      dir: join(mesh.dir, "east", "trust"),
      out,
    });
    return await loadIdentity(out);
  };

  const carts = (healthy: number): Promise<unknown> =>
    until<{ readonly services: readonly ServiceAnswer[] }>(
      `${agent.httpUrl}/api/v1/services`,
      ({ services }) => services.some(({ local }) => local?.healthy === healthy),
    );

  /** Sends these messages; resolves with the code of the refusal. */
  const sent = (identity: Identity, messages: readonly Buffer[]): Promise<string> => {
    const source = { current: () => identity, onChange: () => () => undefined };
    const client = openAgentChannel({ agent: agent.xds, agentId, identity: source, spiffeIdOf });
    return new Promise<string>((resolve) => {
      const stream = client.makeBidiStreamRequest<Buffer, RegisterResponse | undefined>(
        registerPath,
        (bytes) => bytes,
        decodeRegisterResponse,
      );
      stream.on("data", () => undefined);
      stream.on("error", (error: ServiceError) => {
        const [code] = error.metadata.get("isthmus-code");
        resolve(`${String(code)}: ${error.details}`);
      });
      for (const bytes of messages) stream.write(bytes);
    }).finally(() => client.close());
  };
  const registering = (more: Partial<Registration> = {}): Buffer =>
    encodeRegisterRequest({ t: "registration", registration: { ...honest, ...more } });
  const health = (reason: string): RegisterRequest => ({
    t: "health",
    change: { health: "healthy", reason },
  });

  test("another account's group, and says whose it is", async () => {
    const answer = await sent(await identityOf("billing"), [registering()]);
    assert.match(answer, /^MESH_REGISTRATION_REFUSED: .*sa\/billing.*sa\/cart/);
  });

  const wrong: readonly (readonly [string, Partial<Registration>, RegExp])[] = [
    ["a group that is none", { group: "shop/others" }, /^MESH_REGISTRATION_GROUP/],
    ["what is no name of a group", { group: "../../etc" }, /^MESH_REGISTRATION_GROUP/],
    [
      "an address outside of the charter's ranges",
      { address: "10.9.9.9" },
      /^MESH_REGISTRATION_ADDRESS.*ranges/,
    ],
    ["a name in place of an address", { address: "vm.example" }, /^MESH_REGISTRATION_ADDRESS/],
    [
      "the address of a workload that is there",
      { address: "127.0.0.1" },
      /^MESH_REGISTRATION_ADDRESS.*vm-1/,
    ],
    [
      "a secret that can be guessed",
      { instanceSecret: Buffer.alloc(15) },
      /^MESH_REGISTRATION_REFUSED/,
    ],
    ["a name that could be anything", { name: "a b\n" }, /^MESH_REGISTRATION_REFUSED/],
    ["a zone that could be anything", { zone: "../x" }, /^MESH_REGISTRATION_REFUSED/],
  ];
  for (const [what, more, code] of wrong) {
    test(what, async () => assert.match(await sent(cart, [registering(more)]), code));
  }

  test("who does not say first who it is, says it twice, or says nothing sound", async () => {
    const word = encodeRegisterRequest(health(""));
    for (const messages of [
      [word],
      [registering(), registering()],
      [Buffer.from("hello")],
      [Buffer.alloc(5000, 1)],
      [Buffer.alloc(0)],
    ]) {
      assert.match(await sent(cart, messages), /^MESH_REGISTRATION_REFUSED/);
    }
  });

  test("a health that changes without end", async () => {
    const words = Array.from({ length: 40 }, (_, at) => encodeRegisterRequest(health(`${at}`)));
    assert.match(await sent(cart, [registering(), ...words]), /^MESH_REGISTRATION_LIMIT/);
  });

  test("nothing of what a group is told to other accounts", async () => {
    const describe = async (
      identity: Identity,
      group: string,
    ): Promise<GroupDefinition | string> => {
      const source = { current: () => identity, onChange: () => () => undefined };
      const client = openAgentChannel({ agent: agent.xds, agentId, identity: source, spiffeIdOf });
      return await new Promise<GroupDefinition | string>((resolve) => {
        client.makeUnaryRequest<{ readonly group: string }, GroupDefinition>(
          describePath,
          encodeDescribeRequest,
          definitionIn,
          { group },
          new Metadata(),
          (error, answer) => {
            resolve(answer ?? String(error?.metadata.get("isthmus-code")[0]));
          },
        );
      }).finally(() => client.close());
    };
    const told = await describe(cart, "");
    assert.ok(typeof told !== "string");
    assert.deepEqual(told, {
      id: "shop/carts",
      serviceAccount: "cart",
      ports: [{ name: "http", port, protocol: "TCP" }],
      zone: "rack-1",
      upstreams: [{ service: "shop/stock", port: 80 }],
      services: ["shop/cart"],
      unhealthyAfterMs: 60_000,
      removeAfterMs: 3_600_000,
    });
    const stranger = await identityOf("stranger");
    assert.equal(await describe(stranger, ""), "MESH_REGISTRATION_GROUP");
    assert.equal(await describe(stranger, "shop/carts"), "MESH_REGISTRATION_REFUSED");
    assert.equal(await describe(cart, "shop/none"), "MESH_REGISTRATION_GROUP");
  });

  test("and after all of that the workload that was there is there", async () => {
    await carts(1);
    const { services } = (await (await fetch(`${agent.httpUrl}/api/v1/services`)).json()) as {
      readonly services: readonly ServiceAnswer[];
    };
    // Those that got in for a moment have no sidecar: nobody is led to them.
    assert.equal(services[0]?.local?.total, 1);
  });
});
