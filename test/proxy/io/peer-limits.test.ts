import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import type { Identity } from "../../../src/mesh/ports.ts";
import {
  decodeRenewResponse,
  encodeRenewRequest,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../../src/xds/renewal.ts";
import { resource } from "../../xds/harness.ts";
import { type Agent, dial, identityOf, Stream, sidecarId, startAgent } from "./fixture.ts";

const other = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/frontend");

const sidecarOf = (agent: Agent, id = sidecarId): Promise<Identity> =>
  identityOf(agent.mesh.east, { mesh: agent.mesh, id });

/** Undefined: it was issued. */
function renewed(client: Client): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    client.makeUnaryRequest<RenewRequest, RenewResponse>(
      renewPath,
      encodeRenewRequest,
      decodeRenewResponse,
      { csr: Uint8Array.of(1) },
      new Metadata(),
      (error) => resolve(error ?? undefined),
    );
  });
}

async function answerWith(stream: Stream, name: string): Promise<void> {
  for (;;) {
    const response = await stream.next();
    stream.ack(response);
    if (response.resources.some((one) => one.name === name)) return;
  }
}

describe("what one peer may hold at the agent's port", () => {
  test("a workload with too many streams is told so, and keeps those it has", async () => {
    const limited: string[] = [];
    await using agent = await startAgent({
      peerLimits: { perCertificate: 2 },
      onLimit: (what) => limited.push(what),
    });
    using client = dial(agent, await sidecarOf(agent));
    using first = new Stream(client);
    using second = new Stream(client);
    for (const stream of [first, second]) {
      stream.send("cluster");
      await stream.next();
    }
    using third = new Stream(client);
    third.send("cluster");
    const ended = await third.ended;
    assert.equal(ended.code, status.RESOURCE_EXHAUSTED);
    assert.equal(ended.details, "one certificate holds 2 streams already");
    assert.deepEqual(limited, ["streams"]);
    assert.equal(agent.ads.proxies().length, 2);
    // Another workload is served.
    using stranger = dial(agent, await sidecarOf(agent, other));
    using fourth = new Stream(stranger);
    fourth.send("cluster");
    await fourth.next();
    // What ends makes room.
    first.close();
    assert.equal((await first.ended).code, status.OK);
    using fifth = new Stream(client);
    fifth.send("cluster");
    await fifth.next();
  });

  test("an identity with too many connections gets no more, whatever certificates it shows", async () => {
    const limited: string[] = [];
    await using agent = await startAgent({
      connectionLimits: { perIdentity: 2 },
      onLimit: (what) => limited.push(what),
    });
    const open = async (id = sidecarId): Promise<Client & Disposable> =>
      dial(agent, await sidecarOf(agent, id));
    using one = await open();
    using two = await open();
    for (const client of [one, two]) {
      const stream = new Stream(client);
      stream.send("cluster");
      await stream.next();
    }
    using three = await open();
    using refused = new Stream(three);
    refused.send("cluster");
    assert.equal((await refused.ended).code, status.UNAVAILABLE);
    assert.deepEqual(limited, ["connections"]);
    assert.ok(agent.refusals.includes("one identity holds 2 connections already"));
    const line = agent.lines.find(({ message }) => message === "Connection to the agent refused");
    assert.deepEqual(line?.fields, {
      remote: "127.0.0.1",
      peer: sidecarId,
      reason: "one identity holds 2 connections already",
    });
    using stranger = await open(other);
    using served = new Stream(stranger);
    served.send("cluster");
    await served.next();
  });

  for (const limit of ["perCertificate", "perIdentity"] as const) {
    test(`a peer that asks for names without end is read later (${limit}), and costs the others nothing`, async () => {
      const wide = { perSecond: 1_000_000, burst: 1_000_000 };
      await using agent = await startAgent({
        namePace: {
          perCertificate: wide,
          perIdentity: wide,
          [limit]: { perSecond: 1000, burst: 100 },
        },
      });
      const upserts = ["a", "b"].map((name) => resource({ type: "endpoint", name }, "1"));
      agent.set.apply({ upserts, removed: [] });
      using greedy = dial(agent, await sidecarOf(agent));
      using flood = new Stream(greedy);
      const names = Array.from({ length: 3000 }, (_, index) => `no-${index}`);
      flood.send("endpoint", { resourceNamesSubscribe: ["a", ...names] });
      await answerWith(flood, "a");
      // Read when the 3,000 names are paid for.
      flood.send("endpoint", { resourceNamesSubscribe: ["b"] });
      const order: string[] = [];
      const late = answerWith(flood, "b").then(() => order.push("greedy"));
      using modest = dial(agent, await sidecarOf(agent, other));
      using stream = new Stream(modest);
      stream.send("endpoint", { resourceNamesSubscribe: ["b"] });
      await answerWith(stream, "b").then(() => order.push("modest"));
      await late;
      assert.deepEqual(order, ["modest", "greedy"]);
    });
  }

  test("who owes names is not read on a new stream either, and the others of its identity are", async () => {
    await using agent = await startAgent({
      namePace: {
        perCertificate: { perSecond: 1000, burst: 100 },
        perIdentity: { perSecond: 100, burst: 1000 },
      },
    });
    const upserts = ["a", "b"].map((name) => resource({ type: "endpoint", name }, "1"));
    agent.set.apply({ upserts, removed: [] });
    using greedy = dial(agent, await sidecarOf(agent));
    const names = Array.from({ length: 3000 }, (_, index) => `no-${index}`);
    const flood = new Stream(greedy);
    flood.send("endpoint", { resourceNamesSubscribe: ["a", ...names] });
    await answerWith(flood, "a");
    flood[Symbol.dispose]();
    using again = new Stream(greedy);
    again.send("endpoint", { resourceNamesSubscribe: ["b"] });
    const order: string[] = [];
    const late = answerWith(again, "b").then(() => order.push("greedy"));
    // Another workload of the same service account.
    using modest = dial(agent, await sidecarOf(agent));
    using stream = new Stream(modest);
    stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
    await answerWith(stream, "a");
    stream.send("endpoint", { resourceNamesSubscribe: ["b"] });
    await answerWith(stream, "b").then(() => order.push("modest"));
    await late;
    assert.deepEqual(order, ["modest", "greedy"]);
  });

  test("an identity that renews without end is told when to come again, and costs the others nothing", async () => {
    const limited: string[] = [];
    const issued: string[] = [];
    await using agent = await startAgent({
      renewPace: { perSecond: 0.01, burst: 2 },
      onLimit: (what) => limited.push(what),
      renew: async (peer) => {
        issued.push(peer.id);
        return { chain: [], bundle: [] };
      },
    });
    // Two certificates, one identity.
    using client = dial(agent, await sidecarOf(agent));
    using again = dial(agent, await sidecarOf(agent));
    assert.equal(await renewed(client), undefined);
    assert.equal(await renewed(again), undefined);
    const error = await renewed(again);
    assert.equal(error?.code, status.RESOURCE_EXHAUSTED);
    assert.match(error?.details ?? "", /asks too often, come again in \d+ s/);
    using stranger = dial(agent, await sidecarOf(agent, other));
    assert.equal(await renewed(stranger), undefined);
    assert.deepEqual(issued, [sidecarId, sidecarId, other]);
    assert.deepEqual(limited, ["renewals"]);
  });
});
