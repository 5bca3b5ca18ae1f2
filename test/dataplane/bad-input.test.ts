import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { RefusalReason } from "../../src/dataplane/counters.ts";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import type { Log } from "../../src/mesh/ports.ts";
import { identitySource, type TestTrust, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import { helloMessage, helloOfSize, inRecords, nameExtension, realHello } from "./support/hello.ts";
import {
  dial,
  dialTls,
  echo,
  endOf,
  exchange,
  mtlsServer,
  portOf,
  silent,
  startEngine,
  type TestServer,
  tcpServer,
} from "./support/parts.ts";
import { edsCluster, gatewayListener, hosts, validation } from "./support/resources.ts";

const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const rawSni = "outbound_.81_._.cart.shop.svc.cluster.local";
const probeSni = "probe.east.acme.mesh";
const maxPendingHellos = 100;
const sayAndReset = `const [port, hello] = process.argv.slice(1);
const socket = require("node:net").connect(Number(port), "127.0.0.1");
socket.write(Buffer.from(hello, "base64"), () => socket.resetAndDestroy());`;

describe("a gateway under bad input", () => {
  let trust: TestTrust;
  let agent: FakeAgent;
  let engine: Engine;
  let cart: TestServer;
  let raw: TestServer;
  let port = 0;
  let good: Socket;
  const warnings: object[] = [];

  before(async () => {
    trust = await testTrust();
    cart = await mtlsServer(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/cart"), echo);
    raw = await tcpServer(echo);
    agent = await FakeAgent.start(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
    agent.set(
      edsCluster(sni),
      hosts(sni, [{ port: cart.port }]),
      edsCluster(rawSni),
      hosts(rawSni, [{ port: raw.port }]),
      validation("validation|mesh", { bundlePem: trust.bundlePem }),
      gatewayListener(0, { probeSni, agents: ["spiffe://west.acme.mesh/isthmus/agent"] }),
    );
    const log: Log = { ...silent, warn: (fields) => warnings.push(fields) };
    engine = startEngine({
      agentPort: agent.port,
      identity: identitySource(await trust.identity("spiffe://east.acme.mesh/isthmus/gateway")),
      limits: { maxPendingHellos },
      log,
    });
    await engine.ready;
    port = portOf(engine, "gateway");
    good = await newGood();
  });

  /** Through all of it this connection must live and new ones like it must be served. */
  after(async () => {
    assert.equal(await exchange(good, "old"), "old");
    const fresh = await newGood();
    assert.equal(await exchange(fresh, "new"), "new");
    fresh.destroy();
    good.destroy();
    await engine.close();
    agent.stop();
    await cart[Symbol.asyncDispose]();
    await raw[Symbol.asyncDispose]();
  });

  async function newGood(): Promise<Socket> {
    const socket = dialTls(port, {
      identity: await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/web"),
      sni,
    });
    await once(socket, "secureConnect");
    return socket;
  }

  async function refusedAs(reason: RefusalReason, bytes: Uint8Array | string): Promise<void> {
    const before = engine.status().counters.refused[reason];
    const client = dial(port);
    client.write(bytes);
    assert.deepEqual((await endOf(client)).text, "");
    assert.equal(engine.status().counters.refused[reason], before + 1);
  }

  for (const [what, reason, bytes] of [
    ["plain HTTP", "not-tls", "GET / HTTP/1.1\r\nhost: cart\r\n\r\n"],
    ["no SNI", "no-filter-chain", inRecords(helloMessage([]))],
    ["a foreign SNI", "no-filter-chain", inRecords(helloMessage([nameExtension("example.com")]))],
    [
      "a service that is not exported",
      "no-cluster",
      inRecords(helloMessage([nameExtension("outbound_.80_._.pay.shop.svc.cluster.local")])),
    ],
    [
      "a name of ours that is no service",
      "no-cluster",
      inRecords(helloMessage([nameExtension("validation.svc.cluster.local")])),
    ],
    ["a hello above the limit", "too-large", inRecords(helloOfSize(sni, 20_000))],
    ["a broken hello", "malformed", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ["1 MB of junk", "not-tls", Buffer.concat([Buffer.from([0]), randomBytes(1_000_000)])],
    [
      "1 MB of junk that begins like TLS",
      "malformed",
      Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), randomBytes(1_000_000)]),
    ],
  ] as const) {
    test(`resets and counts ${what}`, () => refusedAs(reason, bytes));
  }

  test("resets a hello that ends in the middle, and one that never goes on", async () => {
    const half = (await realHello(sni)).subarray(0, 100);
    const before = engine.status().counters.refused["hello-cut"];
    const cut = dial(port);
    cut.end(half);
    await endOf(cut);
    assert.equal(engine.status().counters.refused["hello-cut"], before + 1);
    await refusedAs("hello-timeout", half);
  });

  test("answers no hello whose sender gave up before it was accepted", async () => {
    const hello = await realHello(probeSni);
    const before = engine.status().counters.refused["handshake-failed"];
    // This process accepts nothing meanwhile.
    execFileSync(process.execPath, ["-e", sayAndReset, String(port), hello.toString("base64")]);
    const deadlineMs = performance.now() + 5_000;
    while (engine.status().counters.refused["handshake-failed"] === before) {
      assert.ok(performance.now() < deadlineMs, "it is still waited for");
      await nextTurn();
    }
  });

  test("takes a hello in 1-byte pieces and one of 16 KiB in small records", async () => {
    for (const [hello, pieceBytes] of [
      [inRecords(helloMessage([nameExtension(rawSni)])), 1],
      [inRecords(helloOfSize(rawSni, 16_384), 300), 1_000],
    ] as const) {
      const client = dial(port);
      await once(client, "connect");
      client.setNoDelay(true);
      for (let at = 0; at < hello.length; at += pieceBytes) {
        await new Promise((resolve) => client.write(hello.subarray(at, at + pieceBytes), resolve));
      }
      const chunks: Buffer[] = [];
      client.on("data", (chunk: Buffer) => chunks.push(chunk));
      client.end();
      await once(client, "end");
      assert.ok(
        Buffer.concat(chunks).equals(hello),
        "the upstream gets the very bytes of the client",
      );
    }
  });

  test("serves good connections through 1,000 half-open hellos, which it bounds", async () => {
    const hello = (await realHello(sni)).subarray(0, 200);
    const half = Array.from({ length: 1_000 }, () => dial(port));
    await Promise.all(
      half.map(async (client) => {
        await once(client, "connect");
        client.write(hello);
      }),
    );
    const fresh = await newGood();
    assert.equal(await exchange(fresh, "ping"), "ping");
    fresh.destroy();
    await Promise.all(half.map((client) => endOf(client)));
    const { refused, pending } = engine.status().counters;
    assert.equal(refused["hello-evicted"] + refused["hello-timeout"] >= 1_000, true);
    assert.equal(pending, 0);
  });

  test("logs few lines for many refusals and tells how many it left out", async () => {
    warnings.length = 0;
    for (let round = 0; round < 50; round++) await refusedAs("not-tls", "GET / HTTP/1.1\r\n\r\n");
    assert.ok(warnings.length <= 1);
  });

  test("never lets a caller dial what is no export by writing it into the SNI", async () => {
    for (const name of [
      "outbound|80||cart.shop.svc.cluster.local",
      "../x.svc.cluster.local",
      "*.cluster.local",
    ]) {
      await refusedAs("malformed", inRecords(helloMessage([nameExtension(name)])));
    }
  });
});
