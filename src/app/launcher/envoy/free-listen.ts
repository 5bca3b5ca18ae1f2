import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";

// The predecessor of a process that was restarted may be going just now.
const tries = 20;
const tryAgainMs = 100;

/**
 * Throws MESH_LISTEN_FAILED when an address cannot be had. Two Envoys would share a port without a word
 * (SO_REUSEPORT), and each would get half of the connections.
 */
export async function checkFree(addresses: readonly HostPort[]): Promise<void> {
  for (const address of addresses) await checkOne(address);
}

async function checkOne(address: HostPort): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    const failure = await bindOnce(address).then(
      () => undefined,
      (thrown: unknown) => ({ cause: thrown }),
    );
    if (failure === undefined) return;
    if (tried === tries) {
      const where = formatHostPort(address);
      const message = `Cannot listen on ${where}: ${reasonOf(failure.cause)}`;
      throw new MeshError("MESH_LISTEN_FAILED", message, failure);
    }
    await wait(tryAgainMs);
  }
}

async function bindOnce({ host, port }: HostPort): Promise<void> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, "listening");
  server.close();
  await once(server, "close");
}
