import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type StatusObject, status } from "@grpc/grpc-js";
import type { Log } from "../../../src/mesh/ports.ts";
import { AdsServer } from "../../../src/proxy/io/ads-server.ts";
import { SocketServer } from "../../../src/proxy/io/socket-server.ts";
import { NodeSchema } from "../../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { renewPath } from "../../../src/xds/renewal.ts";
import { typeUrls } from "../../../src/xds/resource.ts";
import { ResourceSet } from "../../../src/xds/resource-set.ts";
import { resource } from "../../xds/harness.ts";

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

const stream = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function folder(): Promise<Folder> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-socket-"));
  return {
    path: join(dir, "xds.sock"),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

function listen(path: string, mode = 0o600): Promise<SocketServer> {
  return SocketServer.listen({ path, mode, log, register: () => {} });
}

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe("SocketServer", () => {
  test("opens a file that the agent's account alone may use, or its group, too", async () => {
    for (const mode of [0o600, 0o660]) {
      await using at = await folder();
      // A mask that hides nothing must not show in the file.
      const before = process.umask(0);
      try {
        await using _server = await listen(at.path, mode);
        assert.equal(await modeOf(at.path), mode);
        assert.equal(process.umask(), 0, "the mask of the process is left as it was");
      } finally {
        process.umask(before);
      }
    }
  });

  test("refuses a folder in which others could put a socket in its place, and takes a sticky one", async () => {
    await using at = await folder();
    const dir = dirname(at.path);
    for (const mode of [0o777, 0o770, 0o722]) {
      await chmod(dir, mode);
      await assert.rejects(listen(at.path), {
        code: "MESH_LISTEN_FAILED",
        message: /others may replace files in its folder/,
      });
      assert.deepEqual(await readdir(dir), []);
    }
    await chmod(dir, 0o1777);
    await using _server = await listen(at.path, 0o660);
    assert.equal(await modeOf(at.path), 0o660);
  });

  test("follows no link that stands at its path", async () => {
    await using at = await folder();
    const target = `${at.path}.target`;
    await writeFile(target, "precious", { mode: 0o600 });
    await symlink(target, at.path);
    await assert.rejects(listen(at.path, 0o660), /it exists and is no socket/);
    assert.equal(await modeOf(target), 0o600);
  });

  test("leaves no file behind", async () => {
    await using at = await folder();
    const server = await listen(at.path);
    await server.close(0);
    assert.deepEqual(await readdir(join(at.path, "..")), []);
  });

  test("takes over what a dead agent left behind", async () => {
    await using at = await folder();
    const dead = createServer();
    dead.listen({ path: at.path });
    await once(dead, "listening");
    const kept = `${at.path}.kept`;
    await rename(at.path, kept);
    dead.close();
    await once(dead, "close");
    await rename(kept, at.path);
    await using _server = await listen(at.path);
    const socket = connect({ path: at.path });
    await once(socket, "connect");
    socket.destroy();
  });

  test("leaves alone what is in use, and what is no socket", async () => {
    await using at = await folder();
    {
      await using _first = await listen(at.path);
      await assert.rejects(listen(at.path), { code: "MESH_LISTEN_FAILED" });
      const socket = connect({ path: at.path });
      await once(socket, "connect");
      socket.destroy();
    }
    await writeFile(at.path, "precious");
    await assert.rejects(listen(at.path), /it exists and is no socket/);
    assert.equal((await stat(at.path)).size, 8);
  });

  test("takes so many connections and no more", async () => {
    await using at = await folder();
    await using _server = await SocketServer.listen({
      path: at.path,
      mode: 0o600,
      log,
      register: () => {},
      maxConnections: 2,
    });
    const sockets = [1, 2].map(() => connect({ path: at.path }));
    await Promise.all(sockets.map((socket) => once(socket, "data")));
    const third = connect({ path: at.path });
    third.resume();
    await once(third, "close");
    for (const socket of sockets) {
      assert.equal(socket.destroyed, false);
      socket.destroy();
    }
  });

  test("serves the state-of-the-world dialect to nobody in particular, and issues no certificates", async () => {
    await using at = await folder();
    const set = new ResourceSet("test");
    set.apply({ upserts: [resource({ type: "listener", name: "a" }, "1")], removed: [] });
    const seen: unknown[] = [];
    using ads = new AdsServer({
      clock,
      log,
      isWarm: () => true,
      peerOf: () => undefined,
      admit: (node, peer) => {
        seen.push([node.id, peer]);
        return { t: "ok", view: { sets: [set] } };
      },
    });
    await using _server = await SocketServer.listen({
      path: at.path,
      mode: 0o600,
      log,
      register: (grpc) => ads.register(grpc, { peerOf: () => undefined, allowsAnonymous: true }),
    });
    const client = new Client(`unix:${at.path}`, credentials.createInsecure());
    const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
      stream,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
    );
    call.on("error", () => {});
    const request = create(DiscoveryRequestSchema, {
      typeUrl: typeUrls.listener,
      resourceNames: ["a"],
      node: create(NodeSchema, { id: "grpc/shop/frontend-1" }),
    });
    call.write(toBinary(DiscoveryRequestSchema, request));
    const [bytes] = (await once(call, "data")) as [Uint8Array];
    const response = fromBinary(DiscoveryResponseSchema, bytes);
    assert.equal(Buffer.from(response.resources[0]?.value ?? []).toString(), "1");
    assert.deepEqual(seen, [["grpc/shop/frontend-1", undefined]]);
    assert.deepEqual(
      ads.proxies().map(({ dialect, peer }) => [dialect, peer]),
      [["sotw", undefined]],
    );
    const code = await new Promise<status | undefined>((resolve) => {
      client.makeUnaryRequest(
        renewPath,
        () => Buffer.alloc(0),
        (answer) => answer,
        undefined,
        (error) => resolve(error?.code),
      );
    });
    assert.equal(code, status.UNIMPLEMENTED);
    call.cancel();
    client.close();
  });

  test("whoever floods it with streams leaves places for those that prove who they are", async () => {
    await using at = await folder();
    const limited: string[] = [];
    using ads = new AdsServer({
      clock,
      log,
      isWarm: () => false,
      peerOf: () => undefined,
      admit: () => ({ t: "refused", reason: "never" }),
      observer: { onLimit: () => limited.push("stream") },
    });
    await using _server = await SocketServer.listen({
      path: at.path,
      mode: 0o600,
      log,
      register: (grpc) => ads.register(grpc, { peerOf: () => undefined, allowsAnonymous: true }),
    });
    using disposal = new DisposableStack();
    const calls = Array.from({ length: 17 }, () => {
      const options = { "grpc.use_local_subchannel_pool": 1 };
      const client = new Client(`unix:${at.path}`, credentials.createInsecure(), options);
      disposal.defer(() => client.close());
      return Array.from({ length: 16 }, () => {
        const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
          stream,
          (bytes) => Buffer.from(bytes),
          (bytes) => bytes,
        );
        disposal.defer(() => call.cancel());
        call.on("error", () => {});
        call.write(Buffer.alloc(0));
        return call;
      });
    }).flat();
    const refused = await Promise.any(
      calls.map((call) => new Promise<StatusObject>((resolve) => call.once("status", resolve))),
    );
    assert.equal(refused.code, status.RESOURCE_EXHAUSTED);
    assert.equal(refused.details, "too many streams that prove nothing");
    assert.ok(limited.length >= 1);
  });
});
