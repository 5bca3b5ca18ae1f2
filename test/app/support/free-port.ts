import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

// Below the range that the kernel hands out: a port chosen here is nobody's source port a moment later,
// and nobody who listens on port 0 gets it.
const lowest = 12_000;
const highest = 31_999;

/** Ports that were free a moment ago; held together, so that no two are the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  const ports: number[] = [];
  // Test files run at the same time: each begins elsewhere.
  for (let port = randomInt(lowest, highest); ports.length < count; port += 1) {
    const server = createServer();
    const candidate = lowest + (port % (highest - lowest));
    server.listen(candidate, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    servers.push(server);
    ports.push(candidate);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
