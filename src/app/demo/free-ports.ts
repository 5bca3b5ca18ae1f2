import { createServer, type Server } from "node:net";

/**
 * Ports of 127.0.0.1 that were free a moment ago. All are held until all are known, so that none comes
 * twice. Another process may still take one before it is used: that is then reported by its name.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => hold(0)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(release));
  return ports;
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
