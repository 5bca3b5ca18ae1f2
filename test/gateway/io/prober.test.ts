import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { LoopLag } from "../../../src/gateway/io/loop-lag.ts";
import type { ProbeReport } from "../../../src/gateway/io/prober.ts";
import { GatewayProber } from "../../../src/gateway/io/prober.ts";
import type { SpiffeId } from "../../../src/mesh/ids.ts";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import type { Identity } from "../../../src/mesh/ports.ts";
import { createVerifier } from "../../../src/trust/verifier.ts";
import { type MadeAuthority, type MadeMesh, madeMesh, mesh, west } from "../../trust/made.ts";
import { identityOf } from "../identities.ts";
import { quietLog, realClock } from "../world.ts";

const agentId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");
const gatewayId = parseSpiffeId("spiffe://west.acme.mesh/isthmus/gateway");

suite("GatewayProber", () => {
  let made: MadeMesh;
  let agent: Identity;
  const open = new Set<Server>();

  before(async () => {
    made = await madeMesh(Date.now());
    agent = await identityOf(made, { issuer: made.east, id: agentId });
  });
  after(() => {
    for (const server of open) server.close();
  });

  /** Listens on a free port; the server is closed with the suite. */
  async function listening(server: Server, port = 0): Promise<number> {
    open.add(server);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    return address.port;
  }

  async function gateway(
    id: SpiffeId = gatewayId,
    issuer: MadeAuthority = made.west,
  ): Promise<Server> {
    const { certChainPem, privateKeyPem, bundlePem } = await identityOf(made, { issuer, id });
    return createTlsServer(
      {
        cert: certChainPem,
        key: privateKeyPem.reveal(),
        ca: bundlePem,
        requestCert: true,
        minVersion: "TLSv1.3",
        ecdhCurve: "X25519MLKEM768:X25519:P-256",
      },
      (socket) => socket.end("ok"),
    );
  }

  /** Probes one port fast and gives the reports as they come. */
  function probing(port: number): {
    readonly prober: GatewayProber;
    readonly next: () => Promise<ProbeReport>;
  } {
    const reports: ProbeReport[] = [];
    const waiting: ((report: ProbeReport) => void)[] = [];
    const prober = new GatewayProber({
      mesh,
      identity: { current: () => agent, onChange: () => () => undefined },
      verifyPeer: createVerifier({
        mesh,
        bundle: () => made.bundle,
        charter: () => made.charter.charter,
      }).verifyPeer,
      clock: realClock,
      random: () => 0,
      log: quietLog,
      intervalMs: 20,
      onReport: (report) => {
        const waiter = waiting.shift();
        if (waiter === undefined) reports.push(report);
        else waiter(report);
      },
    });
    prober.setTargets([{ member: west, address: "127.0.0.1", port }]);
    const next = async (): Promise<ProbeReport> =>
      reports.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
    return { prober, next };
  }

  test("finds a gateway alive that shakes hands as who it should be, and measures the way", async () => {
    const { prober, next } = probing(await listening(await gateway()));
    using _ = prober;
    const report = await next();
    assert.equal(report.isAlive, true);
    assert.ok(report.rttMs !== undefined && report.rttMs >= 0);
    assert.deepEqual(
      prober.reports().map(({ member }) => member),
      [west],
    );
  });

  const impostors: readonly (readonly [string, () => Promise<Server>, RegExp])[] = [
    [
      "another member's gateway",
      () => gateway(parseSpiffeId("spiffe://east.acme.mesh/isthmus/gateway"), made.east),
      /^it proves to be spiffe:\/\/east.acme.mesh\/isthmus\/gateway, not spiffe:\/\/west/,
    ],
    [
      "a workload of that member",
      () => gateway(parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart")),
      /^it proves to be spiffe:\/\/west.acme.mesh\/ns\/shop\/sa\/cart, not /,
    ],
    [
      "a server that hangs up",
      async () => createTcpServer((socket) => socket.destroy()),
      /^it (resets|closed) the connection|^Client network socket disconnected/,
    ],
    [
      "a plain HTTP server",
      async () => createTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
      /^TLS fails: wrong version number$|^it resets/,
    ],
  ];
  for (const [who, start, why] of impostors) {
    test(`takes ${who} for dead after three probes, and says why`, async () => {
      const { prober, next } = probing(await listening(await start()));
      using _ = prober;
      const { isAlive, lastFailure } = await next();
      assert.equal(isAlive, false);
      assert.match(lastFailure?.reason ?? "", why);
    });
  }

  test("tells a port where nobody listens from one that hangs", async () => {
    const server = createTcpServer();
    const port = await listening(server);
    server.close();
    await once(server, "close");
    const { prober, next } = probing(port);
    using _ = prober;
    assert.equal((await next()).lastFailure?.reason, "it refuses the connection (ECONNREFUSED)");
  });

  test("takes a process for dead that accepts and says nothing, and for alive when it is back", async () => {
    const sockets = new Set<Socket>();
    const hung = createTcpServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
    });
    const port = await listening(hung);
    const { prober, next } = probing(port);
    using _ = prober;
    const { isAlive, lastFailure } = await next();
    assert.equal(isAlive, false);
    assert.match(lastFailure?.reason ?? "", /^it takes the connection and does not finish the TLS/);
    hung.close();
    for (const socket of sockets) socket.destroy();
    await listening(await gateway(), port);
    const back = await next();
    assert.equal(back.isAlive, true);
    assert.ok(back.lastFailure !== undefined, "what was wrong stays known");
  });

  test("says a full-size hello with the reserved name", async () => {
    const hello = Promise.withResolvers<Buffer>();
    const parts: Buffer[] = [];
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (part: Buffer) => {
        parts.push(part);
        const all = Buffer.concat(parts);
        if (all.length >= 5 + all.readUInt16BE(3)) hello.resolve(all);
      });
    });
    const { prober } = probing(await listening(server));
    using _ = prober;
    const bytes = await hello.promise;
    assert.ok(bytes.length > 1_400, `${bytes.length} bytes`);
    assert.ok(bytes.includes("probe.west.acme.mesh"));
  });

  test("forgets what it is no longer asked to probe", async () => {
    const server = await gateway();
    const { prober, next } = probing(await listening(server));
    await next();
    prober.setTargets([]);
    assert.deepEqual(prober.reports(), []);
    prober[Symbol.dispose]();
  });
});

suite("LoopLag", () => {
  test("sees a stall while it is ending and afterwards, and forgets it in time", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    let nowMs = 0;
    const pass = (ms: number): void => {
      nowMs += ms;
      t.mock.timers.tick(25);
    };
    using lag = new LoopLag({ monotonicMs: () => nowMs });
    pass(25);
    assert.equal(lag.worstSince(0), 0);
    nowMs += 300;
    assert.equal(lag.worstSince(0), 275);
    pass(0);
    pass(25);
    assert.equal(lag.worstSince(0), 275);
    assert.equal(lag.worstSince(340), 0);
  });
});
