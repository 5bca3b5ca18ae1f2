import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { CallerLimits } from "../../../src/app/kubernetes/webhook/callers.ts";
import { newServing } from "../../../src/app/kubernetes/webhook/serving-keeper.ts";
import {
  listenForReviews,
  type WebhookServer,
} from "../../../src/app/kubernetes/webhook/webhook-server.ts";
import { parseMemberName, parseMeshDomain, trustDomainOf } from "../../../src/mesh/ids.ts";

const clock = { nowMs: (): number => Date.now(), monotonicMs: (): number => performance.now() };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const serving = await newServing(["localhost"], clock.nowMs());
const settings = {
  image: "isthmus-sidecar:test",
  agents: [{ host: "isthmus-agent.isthmus-system.svc", port: 15_012 }],
  trustDomain: trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
  bundlePem: "",
  audience: "isthmus",
  ownNamespace: "isthmus-system",
};

function listen(callerLimits: CallerLimits): Promise<WebhookServer> {
  return listenForReviews({
    listen: { host: "127.0.0.1", port: 0 },
    serving,
    settings: () => settings,
    clock,
    log: silent,
    onAnswer: () => {},
    callerLimits,
  });
}

/** A connection that says hello and nothing more. */
async function secure(server: WebhookServer): Promise<TLSSocket> {
  const socket = connectTls({
    host: "127.0.0.1",
    port: server.address.port,
    rejectUnauthorized: false,
  });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

const review = JSON.stringify({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "1",
    kind: { group: "", version: "v1", kind: "Pod" },
    operation: "CREATE",
    namespace: "kube-system",
    object: { metadata: { name: "cart" }, spec: { containers: [] } },
  },
});

/** The status line that an API server gets. */
async function answered(server: WebhookServer): Promise<string> {
  const socket = await secure(server);
  socket.write(`POST /inject HTTP/1.1\r\nhost: a\r\ncontent-length: ${review.length}\r\n\r\n`);
  socket.write(review);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return bytes.toString("latin1").split("\r\n", 1)[0] ?? "";
}

test("connections that are held for nothing keep no API server out", async () => {
  await using server = await listen({ connections: 3, bodyBytes: 1024 });
  const held: Socket[] = [];
  for (let index = 0; index < 3; index += 1) {
    const socket = connect(server.address.port, "127.0.0.1");
    await once(socket, "connect");
    held.push(socket);
  }
  const [first] = held;
  assert.ok(first);
  const put = once(first, "close");
  assert.equal(await answered(server), "HTTP/1.1 200 OK");
  await put;
  for (const socket of held) socket.destroy();
});

test("bodies that never end hold no more together than they may, and keep nobody out", async () => {
  await using server = await listen({ connections: 100, bodyBytes: 4096 });
  const head = "POST /inject HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
  const first = await secure(server);
  const put = once(first, "close");
  first.write(head + "a".repeat(3000));
  const second = await secure(server);
  second.write(head + "a".repeat(3000));
  await put;
  assert.equal(await answered(server), "HTTP/1.1 200 OK");
  assert.equal(second.destroyed, false);
  second.destroy();
});
