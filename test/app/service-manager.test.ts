import assert from "node:assert/strict";
import { test } from "node:test";
import { openServiceManager } from "../../src/app/service-manager.ts";
import type { Log } from "../../src/mesh/ports.ts";
import { NotifySocket } from "./support/notify-socket.ts";

function keptLog(): { readonly log: Log; readonly warned: string[] } {
  const warned: string[] = [];
  const quiet = (): void => undefined;
  const warn = (fields: object, message: string): void => {
    warned.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { log: { debug: quiet, info: quiet, warn, error: warn }, warned };
}

test("a service manager hears ready, then stopping, in this order", async () => {
  await using socket = await NotifySocket.open();
  const { log, warned } = keptLog();
  const env = { NOTIFY_SOCKET: socket.path, PATH: process.env["PATH"] };
  using manager = openServiceManager(log, env);
  manager.ready("cart serves");
  manager.stopping();
  assert.deepEqual(
    [await socket.next(), await socket.next(), await socket.next()],
    ["READY=1", "STATUS=cart serves", "STOPPING=1"],
  );
  assert.deepEqual(warned, []);
  assert.equal("NOTIFY_SOCKET" in env, false, "what this process starts shall not speak for it");
});

test("a service manager with a watchdog hears that this process is alive, over and over", async () => {
  await using socket = await NotifySocket.open();
  const env = {
    NOTIFY_SOCKET: socket.path,
    WATCHDOG_USEC: "40000",
    WATCHDOG_PID: "1",
    PATH: process.env["PATH"],
  };
  // Keeps the loop alive: the beats alone do not.
  const alive = setInterval(() => undefined, 1000);
  using _manager = openServiceManager(keptLog().log, env);
  assert.deepEqual([await socket.next(), await socket.next()], ["WATCHDOG=1", "WATCHDOG=1"]);
  clearInterval(alive);
});

test("nobody is told anything where nobody waits", () => {
  const { log, warned } = keptLog();
  using manager = openServiceManager(log, { PATH: "/nowhere", WATCHDOG_USEC: "1000" });
  manager.ready("serves");
  manager.stopping();
  assert.deepEqual(warned, []);
});

test("a machine without systemd-notify says so once", async () => {
  const { log, warned } = keptLog();
  using manager = openServiceManager(log, { NOTIFY_SOCKET: "/nowhere/notify", PATH: "/nowhere" });
  manager.ready("serves");
  manager.stopping();
  while (warned.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.match(warned.join(), /systemd-notify fails.*ENOENT/);
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(warned.length, 1);
});
