import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import type { ProxyAnswer } from "../../../src/app/api-model.ts";
import { makeWorkload } from "../../../src/app/trust-tasks.ts";
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { typeUrls } from "../../../src/xds/resource.ts";
import { until } from "../support/ask.ts";
import { TestMesh } from "../support/test-mesh.ts";
import { startGrpcMember } from "./support/foreign-mesh.ts";

const stream = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const name = "cart.shop.svc.cluster.local";

function endOf(call: ClientDuplexStream<Uint8Array, Uint8Array>): Promise<StatusObject> {
  return new Promise((resolve) => call.once("status", resolve));
}

test("a library that asks for a DNS name finds the agent's, proves itself and is served at the mTLS port", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const east = await startGrpcMember(mesh, "east", { region: "us-east-1", zones: ["a"] });
  const dir = join(mesh.dir, "east", "program");
  const trust = join(mesh.dir, "east", "trust");
  await makeWorkload({ account: "shop/frontend", dir: trust, out: dir });
  const read = (file: string): Promise<Buffer> => readFile(join(dir, file));
  // Judged as by any library: the chain by the bundle, the name by DNS.
  const secure = credentials.createSsl(
    await read("bundle.pem"),
    await read("svid.key"),
    await read("svid.pem"),
  );
  const dial = (agent: string): Client =>
    new Client(`127.0.0.1:${east.agent.xds.port}`, secure, {
      "grpc.ssl_target_name_override": agent,
      "grpc.use_local_subchannel_pool": 1,
    });
  using disposal = new DisposableStack();
  const ask = (client: Client, metadata: Record<string, string>) => {
    disposal.defer(() => client.close());
    const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
      stream,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
    );
    call.on("error", () => {});
    const node = { id: "grpc/shop/frontend-1", metadata, locality: { zone: "a" } };
    const wish = { typeUrl: typeUrls.listener, resourceNames: [name], node };
    call.write(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, wish)));
    return call;
  };
  const call = ask(dial("agent.east.acme.mesh"), { role: "grpc" });
  const [bytes] = (await once(call, "data")) as [Uint8Array];
  assert.equal(fromBinary(DiscoveryResponseSchema, bytes).resources.length, 1);
  const { proxies } = await until<{ proxies: ProxyAnswer[] }>(
    `${east.agent.httpUrl}/api/v1/proxies`,
    (answer) => answer.proxies.some(({ role }) => role === "grpc"),
  );
  const program = proxies.find(({ role }) => role === "grpc");
  assert.equal(program?.identity, "spiffe://east.acme.mesh/ns/shop/sa/frontend");
  assert.equal(program?.zone, "a");

  const elsewhere = ask(dial("agent.west.acme.mesh"), { role: "grpc" });
  const wrong = await endOf(elsewhere);
  assert.match(wrong.details, /altnames/, "the name of another member's agent is not believed");

  const pretender = ask(dial("agent.east.acme.mesh"), { role: "gateway" });
  const refused = await endOf(pretender);
  assert.equal(refused.code, status.PERMISSION_DENIED);
  call.cancel();
});
