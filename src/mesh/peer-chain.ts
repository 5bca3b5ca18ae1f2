import type { TLSSocket } from "node:tls";

// OpenSSL follows at most as many issuers by default; a longer chain is none of ours.
const maxChain = 10;

/**
 * The chain as the peer of an open session sent it, DER, leaf first; a root at its end is left out. Not by
 * `getPeerCertificate`, which puts every field of every certificate into words: half a handshake's time.
 */
export function peerChain(
  socket: Pick<TLSSocket, "getPeerX509Certificate">,
): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < maxChain) {
    const isRoot = certificate.checkIssued(certificate);
    if (!isRoot || chain.length === 0) chain.push(certificate.raw);
    if (isRoot) break;
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
