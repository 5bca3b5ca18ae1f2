import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { reset } from "../../src/dataplane/io/flow.ts";

/** Both ends of one connection. */
async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  far.on("error", () => {});
  const [near] = (await once(server, "connection")) as [Socket];
  server.close();
  return { near, far };
}

suite("reset()", () => {
  test("is a reset for whoever still listens", async () => {
    const { near, far } = await pair();
    const failed = once(far, "error");
    reset(near);
    const [error] = (await failed) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
  });

  test("closes a socket whose FIN is on its way, which the kernel's library would not reset", async () => {
    const { near, far } = await pair();
    const errors: Error[] = [];
    near.on("error", (error) => errors.push(error));
    const closed = once(near, "close");
    near.end("x");
    reset(near);
    await closed;
    assert.deepEqual(errors, []);
    far.destroy();
  });

  test("still cuts what waits to be written", async () => {
    const { near, far } = await pair();
    far.pause();
    near.write(Buffer.alloc(30_000_000));
    near.end();
    const failed = once(far, "error");
    reset(near);
    far.resume();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
  });
});
