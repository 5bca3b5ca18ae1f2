import { spawn } from "node:child_process";
import { reasonOf } from "../mesh/errors.ts";
import type { Log } from "../mesh/ports.ts";

/** Whoever started this process and waits for a word of it: systemd, for units of `Type=notify`. */
export interface ServiceManager extends Disposable {
  /** It serves. Once. */
  readonly ready: (status: string) => void;
  /** It ends, and needs a while for that. */
  readonly stopping: () => void;
}

type Env = Record<string, string | undefined>;

const silent: ServiceManager = {
  ready: () => undefined,
  stopping: () => undefined,
  [Symbol.dispose]: () => undefined,
};

/**
 * Tells what sd_notify(3) tells, and that this process is alive as often as the unit's watchdog asks. Takes the
 * variables away: they are meant for this process alone. Does nothing where nobody waits.
 */
export function openServiceManager(log: Log, env: Env = process.env): ServiceManager {
  const socket = env["NOTIFY_SOCKET"];
  const watchdogMs = Number(env["WATCHDOG_USEC"] ?? 0) / 1000;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (socket === undefined || socket === "") return silent;
  const tell = createTeller({ socket, path: env["PATH"], log });
  // Half of the time, as sd_watchdog_enabled(3) says: a word may be late, none may be missing.
  const beat =
    watchdogMs > 0 ? setInterval(() => tell("WATCHDOG=1"), watchdogMs / 2).unref() : undefined;
  return {
    ready: (status) => tell("READY=1", `STATUS=${status}`),
    stopping: () => tell("STOPPING=1"),
    [Symbol.dispose]: () => clearInterval(beat),
  };
}

/**
 * Node opens no datagram socket of the Unix kind, so a program of systemd's speaks for us. It waits until its
 * word is read: systemd asks the kernel whose word it was, and could not of a process that is gone.
 */
function createTeller(options: {
  readonly socket: string;
  readonly path: string | undefined;
  readonly log: Log;
}): (...words: readonly string[]) => void {
  const { socket, path, log } = options;
  let last = Promise.resolve();
  let hasFailed = false;
  const failed = (reason: string): void => {
    if (hasFailed) return;
    hasFailed = true;
    log.warn({ reason }, "The service manager is not told: systemd-notify fails");
  };
  const run = (words: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      const env = { NOTIFY_SOCKET: socket, PATH: path ?? "/usr/bin:/bin" };
      const child = spawn("systemd-notify", words, { env, stdio: "ignore" });
      child.on("error", (error) => {
        failed(reasonOf(error));
        resolve();
      });
      child.on("exit", (code) => {
        if (code !== 0) failed(`it ends with ${code ?? "a signal"}`);
        resolve();
      });
    });
  // One after the other: "stopping" must not be heard before "ready".
  return (...words) => {
    last = last.then(() => run(words));
  };
}
