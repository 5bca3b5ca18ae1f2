import { connect } from "node:tls";
import { isIp, isLoopback } from "../../../mesh/address.ts";
import type { NodeDoor } from "../redis-node.ts";
import type { TransportFacts } from "./hub-facts.ts";

const handshakeMs = 3000;

/** A handshake of its own, to see the certificate that the server shows. The login is not sent. */
export async function askTransport({ address, isTls, access }: NodeDoor): Promise<TransportFacts> {
  const { host, port } = address;
  if (!isTls) return { t: "plain", isLoopback: isLoopback(host) };
  const name = access.serverName ?? host;
  const socket = connect({
    host,
    port,
    ...(isIp(name) ? {} : { servername: name }),
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.cert === undefined ? {} : { cert: access.cert }),
    ...(access.key === undefined ? {} : { key: access.key.reveal() }),
    timeout: handshakeMs,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", () => resolve());
      socket.once("error", reject);
      socket.once("timeout", () => reject(new Error("the handshake does not end")));
    });
    const endsMs = Date.parse(socket.getPeerCertificate().valid_to);
    return {
      t: "tls",
      protocol: socket.getProtocol() ?? "unknown",
      certificateEndsMs: Number.isNaN(endsMs) ? undefined : endsMs,
    };
  } finally {
    socket.on("error", () => undefined);
    socket.destroy();
  }
}
