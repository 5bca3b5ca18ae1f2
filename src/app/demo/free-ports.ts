import { createServer, type Server } from "node:net";
import { MeshError } from "../../mesh/errors.ts";

// Below the range from which systems take the ports of outgoing connections: one of those, opened
// between the look and the use, would take a port away.
const lowest = 18_000;
const highest = 31_999;
const maxTries = 4000;

/**
 * Ports of 127.0.0.1 that were free a moment ago, in no order. All are held until all are known. Throws
 * MESH_LISTEN_FAILED when there are not enough.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  const start = Math.floor(Math.random() * (highest - lowest));
  for (let tried = 0; servers.length < count; tried += 1) {
    if (tried === maxTries) throw new MeshError("MESH_LISTEN_FAILED", noneLeft(count));
    const port = lowest + ((start + tried) % (highest - lowest));
    const server = await hold(port).catch(() => undefined);
    if (server !== undefined) servers.push(server);
  }
  const ports = servers.map(portOf);
  await Promise.all(servers.map(release));
  return ports;
}

function noneLeft(count: number): string {
  return `Cannot find ${count} free ports on 127.0.0.1: too many from ${lowest} to ${highest} are taken`;
}

/** The wanted port when it is free, else any other. */
export async function freePortNear(wanted: number): Promise<number> {
  const server = await hold(wanted).catch(() => hold(0));
  const port = portOf(server);
  await release(server);
  return port;
}

function hold(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function release(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
