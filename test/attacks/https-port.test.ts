// Plain HTTPS on the agent's port, by those who prove nothing and mean no good.
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import type { HostPort } from "../../src/mesh/address.ts";
import { makeTrust, startIdentityAgent } from "../app/agent/identity/identity-agent.ts";

async function dial({ host, port }: HostPort, protocol = "http/1.1"): Promise<TLSSocket> {
  const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: [protocol] });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

/** All that comes until the other side ends the connection. */
async function answerTo(address: HostPort, request: string): Promise<string> {
  const socket = await dial(address);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = once(socket, "close");
  socket.write(request);
  await closed;
  return Buffer.concat(chunks).toString("latin1");
}

function statusesIn(answer: string): readonly string[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status = ""]) => status);
}

const get = "GET /v1/bundle HTTP/1.1\r\nhost: agent\r\n";
const post = "POST /v1/issue HTTP/1.1\r\nhost: agent\r\ncontent-type: application/json\r\n";

suite("plain HTTPS at the agent's port", () => {
  test("serves others beside hundreds that begin a request and say no more", async () => {
    await using made = await makeTrust();
    await using agent = await startIdentityAgent(made.dir);
    const slow = await Promise.all(Array.from({ length: 300 }, () => dial(agent.address)));
    try {
      for (const [index, socket] of slow.entries()) {
        socket.write(index % 2 === 0 ? get : `${post}content-length: 30000\r\n\r\n{"csr":`);
      }
      const answer = await answerTo(agent.address, `${get}\r\n`);
      assert.deepEqual(statusesIn(answer), ["200"]);
    } finally {
      for (const socket of slow) socket.destroy();
    }
  });

  const hidden = `${get}x-hidden: yes\r\n\r\n`;
  const smuggled: Readonly<Record<string, string>> = {
    "two lengths": `${post}content-length: 2\r\ncontent-length: ${2 + hidden.length}\r\n\r\n{}${hidden}`,
    "a length and chunks": `${post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    "chunks with a hidden coding": `${post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    "a header with a line break": `${get}x: a\n b\r\n\r\n${hidden}`,
    "a length that is none": `${post}content-length: 2, 9\r\n\r\n{}${hidden}`,
    "HTTP/2 without its protocol": `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`,
    "an upgrade to HTTP/2": `${get}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n${hidden}`,
    "requests behind one another": hidden.repeat(20),
  };
  test("answers at most one request of a connection, however a second is hidden in it", async () => {
    await using made = await makeTrust();
    await using agent = await startIdentityAgent(made.dir);
    for (const [how, request] of Object.entries(smuggled)) {
      const answered = statusesIn(await answerTo(agent.address, request));
      const served = answered.filter((status) => status === "200");
      assert.ok(served.length <= 1 && answered.length <= 2, `${how}: ${answered.join()}`);
    }
    // The port is as it was.
    assert.deepEqual(statusesIn(await answerTo(agent.address, `${get}\r\n`)), ["200"]);
  });

  test("reads no body that goes on after 32 kB, in one piece or in chunks", async () => {
    await using made = await makeTrust();
    await using agent = await startIdentityAgent(made.dir);
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
    const chunked = `${post}transfer-encoding: chunked\r\n\r\n${chunk.repeat(64)}`;
    const whole = `${post}content-length: 1000000000\r\n\r\n${"x".repeat(100_000)}`;
    for (const request of [chunked, whole]) {
      assert.deepEqual(statusesIn(await answerTo(agent.address, request)), ["400"]);
    }
  });
});
