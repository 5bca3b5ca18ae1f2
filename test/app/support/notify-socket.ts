import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

// Node has no datagram sockets of the Unix kind. Prints one line for each variable. A barrier is a descriptor
// that the sender waits for: until whoever has read it closes it.
const reader = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, descriptors, _, _ = socket.recv_fds(s, 4096, 8)
    for descriptor in descriptors:
        os.close(descriptor)
    for line in data.decode().splitlines():
        if line != "BARRIER=1":
            print(line, flush=True)
`;

/** Listens as systemd does. */
export class NotifySocket implements AsyncDisposable {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #dir: string;

  private constructor(dir: string, child: ChildProcess, lines: Interface) {
    this.#dir = dir;
    this.path = join(dir, "notify");
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static async open(): Promise<NotifySocket> {
    const dir = await mkdtemp(join(tmpdir(), "isthmus-notify-"));
    const child = spawn("python3", ["-c", reader, join(dir, "notify")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const socket = new NotifySocket(dir, child, createInterface({ input: child.stdout }));
    await socket.next();
    return socket;
  }

  /** The next variable: `READY=1`. */
  async next(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the reader ended");
    return line.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await ended;
    await rm(this.#dir, { recursive: true });
  }
}
