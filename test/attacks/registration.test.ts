// A workload with a good certificate that is up to no good, at the agent's registration of VMs.
import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { Client, ServiceError } from "@grpc/grpc-js";
import type { RunningAgent } from "../../src/app/agent/agent.ts";
import type { EndpointsAnswer } from "../../src/app/api-model.ts";
import { spiffeIdOf } from "../../src/app/launcher/spiffe-id-of.ts";
import { makeWorkload } from "../../src/app/trust-tasks.ts";
import { openAgentChannel } from "../../src/dataplane/io/agent-channel.ts";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import { loadIdentity } from "../../src/trust/io/identity-store.ts";
import { codeTrailer } from "../../src/xds/issuing.ts";
import {
  encodeRegisterRequest,
  type RegisterRequest,
  registerPath,
} from "../../src/xds/registering/requests.ts";
import { siteConfig, startVm, writeGroup } from "../app/agent/registration/vm-site.ts";
import { until } from "../app/support/ask.ts";
import { freePorts } from "../app/support/free-port.ts";
import { TestMesh } from "../app/support/test-mesh.ts";

const agentId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");

interface Site extends AsyncDisposable {
  readonly agent: RunningAgent;
  /** A connection of its own with that account's certificate. */
  readonly as: (account: string) => Promise<Client>;
}

/** An agent, its group `shop/carts` with one good VM, and whoever has any certificate of the member. */
async function openSite(): Promise<Site> {
  const stack = new AsyncDisposableStack();
  const mesh = stack.use(await TestMesh.open());
  await mesh.issue("east", "us-east-1");
  const [port = 0] = await freePorts(1);
  await writeGroup(mesh, { port });
  const agent = await mesh.startAgent(siteConfig(mesh));
  await startVm(mesh, { name: "vm-1", address: "127.0.0.1", port, agents: [agent.xds] });
  await cartsAt(agent, "127.0.0.1");
  const identities = new Map<string, Identity>();
  const as = async (account: string): Promise<Client> => {
    const out = join(mesh.dir, `stolen-${account}`);
    if (!identities.has(account)) {
      await makeWorkload({ account: `shop/${account}`, dir: join(mesh.dir, "east", "trust"), out });
      identities.set(account, await loadIdentity(out));
    }
    const found = identities.get(account) ?? assert.fail();
    const identity = { current: () => found, onChange: () => () => undefined };
    const client = openAgentChannel({ agent: agent.xds, agentId, identity, spiffeIdOf });
    stack.defer(() => client.close());
    return client;
  };
  return { agent, as, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Resolves when the endpoints of `cart` are at these addresses and no others. */
async function cartsAt(agent: RunningAgent, ...wanted: readonly string[]): Promise<void> {
  const url = `${agent.httpUrl}/api/v1/endpoints?service=shop/cart`;
  await until<{ ports: EndpointsAnswer[] }>(url, ({ ports }) => {
    const seen = (ports[0]?.endpoints ?? []).map(({ address }) => address.replace(/:\d+$/, ""));
    return seen.sort().join() === wanted.join();
  });
}

function registration(change: object = {}): RegisterRequest {
  return {
    t: "registration",
    registration: {
      group: "shop/carts",
      instanceSecret: Buffer.alloc(32, 9),
      name: "vm-9",
      address: "127.0.0.9",
      zone: "",
      version: "1",
      health: { health: "healthy", reason: "" },
      ...change,
    },
  };
}

/** Our code in a refusal; else what gRPC says. */
function trailerOf(error: Error): string {
  const { metadata } = error as Partial<ServiceError>;
  const [code] = metadata?.get(codeTrailer) ?? [];
  return typeof code === "string" ? code : error.message;
}

/** Sends these on one stream; resolves with `taken` at the first answer, else with the refusal's code. */
function sent(client: Client, ...requests: readonly RegisterRequest[]): Promise<string> {
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest<RegisterRequest, Buffer>(
      registerPath,
      encodeRegisterRequest,
      (bytes) => bytes,
    );
    call.on("data", () => {
      resolve("taken");
      if (requests.length === 1) call.cancel();
    });
    call.on("error", (error: Error) => resolve(trailerOf(error)));
    for (const each of requests) call.write(each);
  });
}

suite("a workload that is up to no good", () => {
  test("does not get into a group by another account's certificate", async () => {
    await using site = await openSite();
    const thief = await site.as("thief");
    assert.equal(await sent(thief, registration()), "MESH_REGISTRATION_REFUSED");
    for (const group of ["", "shop/other", "shop", "../carts", "shop/carts/x"]) {
      assert.equal(await sent(thief, registration({ group })), "MESH_REGISTRATION_GROUP", group);
    }
    await cartsAt(site.agent, "127.0.0.1");
  });

  test("does not take the address or the place of another VM of its group", async () => {
    await using site = await openSite();
    const twin = await site.as("cart");
    const address = "127.0.0.1";
    assert.equal(await sent(twin, registration({ address })), "MESH_REGISTRATION_ADDRESS");
    const mapped = "::ffff:127.0.0.1";
    assert.equal(await sent(twin, registration({ address: mapped })), "MESH_REGISTRATION_ADDRESS");
    await cartsAt(site.agent, "127.0.0.1");
  });

  const unsound: Readonly<Record<string, object>> = {
    "an address that is none": { address: "cart.example" },
    "an address of 64 characters": { address: "1".repeat(64) },
    "the address of nobody": { address: "0.0.0.0" },
    "everybody's address": { address: "224.0.0.1" },
    "no address": { address: "" },
    "a name with a line break": { name: "vm\n1" },
    "a name with an escape": { name: "vm\u001b[2J" },
    "a secret of one byte": { instanceSecret: Buffer.alloc(1) },
    "a zone with a slash": { zone: "west/a" },
    "a name of 300 bytes": { name: "v".repeat(300) },
    "an address of 4 kB": { address: "1".repeat(4096) },
    "a secret of 4 kB": { instanceSecret: Buffer.alloc(4096) },
  };
  test("registers nothing that is unsound", async () => {
    await using site = await openSite();
    for (const [what, change] of Object.entries(unsound)) {
      // Each on a certificate of its own: coming back too often is refused, too.
      const client = await site.as("cart");
      const verdict = await sent(client, registration(change));
      assert.match(verdict, /^MESH_REGISTRATION_(?:REFUSED|ADDRESS)$/, what);
    }
    await cartsAt(site.agent, "127.0.0.1");
  });

  test("is cut off when it says 100,000 things, and the others stay as they were", async () => {
    await using site = await openSite();
    const client = await site.as("cart");
    const flood = Array.from(
      { length: 100_000 },
      (_, at): RegisterRequest => ({
        t: "health",
        change: { health: at % 2 === 0 ? "unhealthy" : "healthy", reason: "x".repeat(100) },
      }),
    );
    const code = new Promise<string>((resolve) => {
      const call = client.makeBidiStreamRequest<RegisterRequest, Buffer>(
        registerPath,
        encodeRegisterRequest,
        (bytes) => bytes,
      );
      call.on("data", () => undefined);
      call.on("error", (error: Error) => resolve(trailerOf(error)));
      for (const each of [registration(), ...flood]) call.write(each);
    });
    assert.equal(await code, "MESH_REGISTRATION_LIMIT");
    const health = await fetch(`${site.agent.httpUrl}/healthz`);
    assert.equal(health.status, 200);
  });

  test("does not keep others out by coming back without end", async () => {
    await using site = await openSite();
    const thief = await site.as("thief");
    const codes: string[] = [];
    for (let round = 0; round < 100; round += 1) {
      codes.push(
        ...(await Promise.all(Array.from({ length: 15 }, () => sent(thief, registration())))),
      );
    }
    const limited = codes.filter((code) => code === "MESH_REGISTRATION_LIMIT").length;
    assert.ok(limited > codes.length / 2, `${limited} of ${codes.length}`);
    const other = await site.as("cart");
    assert.equal(await sent(other, registration()), "taken");
  });
});
