import { connect, createServer, type Server, type Socket } from "node:net";
import type { HostPort } from "../../mesh/address.ts";

/** A relay that makes one machine feel like several regions: every byte waits half a round trip each way. */
export interface WanLink {
  readonly listen: HostPort;
  readonly target: HostPort;
  readonly rttMs: number;
}

export function openWanLink(link: WanLink): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...link.target, noDelay: true, allowHalfOpen: true });
    const oneWayMs = link.rttMs / 2;
    relay(near, { to: far, delayMs: oneWayMs });
    relay(far, { to: near, delayMs: oneWayMs });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(link.listen.port, link.listen.host, () => resolve(server));
  });
}

/** Timers of one delay fire in the order they were set, so bytes, end and reset keep their order. */
function relay(from: Socket, line: { readonly to: Socket; readonly delayMs: number }): void {
  const later = (act: () => void): void => {
    setTimeout(act, line.delayMs);
  };
  from.on("data", (chunk: Buffer) => later(() => void line.to.write(chunk)));
  from.on("end", () => later(() => line.to.end()));
  // A reset on one side must stay a reset on the other: a clean end would look like a finished answer.
  from.on("error", () => later(() => line.to.resetAndDestroy()));
  from.on("close", (hadError) => {
    if (hadError) later(() => line.to.resetAndDestroy());
  });
}
