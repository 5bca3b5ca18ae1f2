import { once } from "node:events";
import { createServer } from "node:net";

// Below what the kernel gives to clients, so that no connection takes one before its server does.
const range = { from: 20_000, to: 32_000 } as const;

/** Ports on loopback that nobody listens on; several are asked for at once so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = range.from + Math.floor(Math.random() * (range.to - range.from));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
