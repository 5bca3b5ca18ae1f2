import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { HostPort } from "../../../mesh/address.ts";

/** Whether this process may listen there, and nobody does: tried, because rights and other programs decide. */
export function isFree(listen: HostPort): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ ...listen, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * The address that this machine has on its way to another one: what routes say, nothing is sent. Undefined: there
 * is no way, or the name leads nowhere.
 */
export function ownAddressTowards({ host, port }: HostPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const done = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once("error", () => done(undefined));
    socket.connect(port, host, () => done(socket.address().address));
  });
}
