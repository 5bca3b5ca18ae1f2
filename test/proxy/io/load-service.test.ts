import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, beforeEach, describe, test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import type { Peer } from "../../../src/mesh/ports.ts";
import { type LoadAdmitted, LoadService } from "../../../src/proxy/io/load-service.ts";
import { loadField } from "../../../src/telemetry/load/fields.ts";
import {
  LoadStatsRequestSchema,
  type LoadStatsResponse,
  LoadStatsResponseSchema,
} from "../../../src/xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { loadStatsPath } from "../../../src/xds/load-report.ts";
import type { NodeClaim } from "../../../src/xds/node.ts";
import { sidecarId } from "./fixture.ts";

type Call = ClientDuplexStream<Uint8Array, LoadStatsResponse>;
type Request = MessageInitShape<typeof LoadStatsRequestSchema>;

const peer: Peer = {
  id: sidecarId,
  notBeforeMs: 0,
  notAfterMs: Number.MAX_SAFE_INTEGER,
  leafSha256: "",
  issuerSpkiSha256: "",
  isExpired: false,
};
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const hello: Request = { node: { id: "sidecar/shop/cart-1/x" } };
const aLoad: Request = {
  clusterStats: [{ clusterName: "c", upstreamLocalityStats: [{ totalIssuedRequests: 3n }] }],
};

describe("LoadService", () => {
  let server: Server;
  let service: LoadService;
  let client: Client;
  let present: Peer | undefined;
  let admit: (node: NodeClaim) => LoadAdmitted;
  let taken: number[];
  let closed: string[];
  let refusals: number;

  before(async () => {
    server = new Server();
    service = new LoadService({
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      log: silent,
      peerOf: () => present,
      admit: (node) => admit(node),
      onRefused: () => {
        refusals += 1;
      },
      maxInAll: 3,
    });
    service.register(server);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  });

  beforeEach(() => {
    present = peer;
    taken = [];
    closed = [];
    refusals = 0;
    admit = ({ id }) => ({
      t: "ok",
      key: id,
      reporter: {
        take: (loads) => void taken.push(...loads.map(({ row }) => row[loadField.issued] ?? 0)),
        close: () => void closed.push(id),
      },
    });
  });

  after(() => {
    service[Symbol.dispose]();
    client.close();
    server.forceShutdown();
  });

  function open(): { readonly call: Call; readonly ended: Promise<StatusObject> } {
    const call: Call = client.makeBidiStreamRequest(
      loadStatsPath,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes) => fromBinary(LoadStatsResponseSchema, bytes),
    );
    call.on("error", () => {});
    const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
    return { call, ended };
  }

  function send(call: Call, request: Request): void {
    call.write(toBinary(LoadStatsRequestSchema, create(LoadStatsRequestSchema, request)));
  }

  async function until(isTrue: () => boolean): Promise<void> {
    const endMs = Date.now() + 5000;
    while (!isTrue()) {
      assert.ok(Date.now() < endMs, "never happened");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  test("asks for all clusters each second, takes what comes, and tells the end once", async () => {
    const { call, ended } = open();
    send(call, hello);
    const [response] = (await once(call, "data")) as [LoadStatsResponse];
    assert.equal(response.sendAllClusters, true);
    assert.equal(response.loadReportingInterval?.seconds, 1n);
    assert.equal(service.reporters, 1);
    send(call, aLoad);
    send(call, { clusterStats: [] });
    await until(() => taken.length > 0);
    assert.deepEqual(taken, [3]);
    call.end();
    assert.equal((await ended).code, status.OK);
    assert.deepEqual(closed, ["sidecar/shop/cart-1/x"]);
    assert.equal(service.reporters, 0);
  });

  test("a newer stream of the same proxy replaces the older one", async () => {
    const older = open();
    send(older.call, hello);
    await once(older.call, "data");
    const newer = open();
    send(newer.call, hello);
    await once(newer.call, "data");
    assert.equal((await older.ended).code, status.ABORTED);
    assert.equal(closed.length, 1);
    assert.equal(service.reporters, 1);
    newer.call.cancel();
    await until(() => service.reporters === 0);
    assert.equal(closed.length, 2);
  });

  test("takes so many in all, whoever they are, and a new one when one has left", async () => {
    const reporting = (id: string): ReturnType<typeof open> => {
      present = { ...peer, id: parseSpiffeId(`spiffe://east.acme.mesh/ns/shop/sa/${id}`) };
      const one = open();
      send(one.call, { node: { id: `sidecar/shop/${id}/x` } });
      return one;
    };
    const first = [];
    for (const id of ["a", "b", "c"]) {
      const one = reporting(id);
      await once(one.call, "data");
      first.push(one);
    }
    const fourth = await reporting("d").ended;
    assert.equal(fourth.details, "too many proxies report");
    first[0]?.call.cancel();
    await until(() => service.reporters === 2);
    const fifth = reporting("e");
    await once(fifth.call, "data");
    for (const { call } of [...first, fifth]) call.cancel();
    await until(() => service.reporters === 0);
  });

  const refused: readonly (readonly [string, status, (call: Call) => void])[] = [
    [
      "bytes that are no report",
      status.INVALID_ARGUMENT,
      (call) => void call.write(new Uint8Array([10, 200])),
    ],
    [
      "a first message without a node whose key is taken for one",
      status.PERMISSION_DENIED,
      (call) => {
        admit = () => ({ t: "refused", reason: "nobody" });
        send(call, aLoad);
      },
    ],
    [
      "a connection that proved nothing",
      status.PERMISSION_DENIED,
      (call) => {
        present = undefined;
        send(call, hello);
      },
    ],
    [
      "more bytes than any report has",
      status.RESOURCE_EXHAUSTED,
      (call) => void call.write(new Uint8Array(3 * 1024 * 1024)),
    ],
    [
      "reports without end",
      status.RESOURCE_EXHAUSTED,
      (call) => {
        send(call, hello);
        for (let index = 0; index < 100; index += 1) send(call, aLoad);
      },
    ],
    [
      "what makes the agent itself fail",
      status.INTERNAL,
      (call) => {
        admit = () => {
          throw new Error("a defect");
        };
        send(call, hello);
      },
    ],
  ];
  for (const [name, code, misbehave] of refused) {
    test(`refuses ${name}`, async () => {
      const { call, ended } = open();
      misbehave(call);
      assert.equal((await ended).code, code);
      assert.equal(refusals, 1);
      await until(() => service.reporters === 0);
    });
  }

  test("takes no more from a stream that it ended", async () => {
    const { call, ended } = open();
    send(call, hello);
    for (let index = 0; index < 200; index += 1) send(call, aLoad);
    await ended;
    assert.ok(taken.length < 50, `${taken.length} taken`);
    assert.equal(closed.length, 1);
  });
});
