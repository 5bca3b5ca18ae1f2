import type { TLSSocket } from "node:tls";

// OpenSSL follows at most as many issuers by default; a longer chain is none of ours.
const maxChain = 10;

/** The chain as the peer of an open session sent it, DER, leaf first; a root at its end is left out. */
export function peerChain(socket: Pick<TLSSocket, "getPeerCertificate">): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < maxChain) {
    const issuer = certificate.issuerCertificate;
    const isRoot = issuer === certificate;
    if (!isRoot || chain.length === 0) chain.push(certificate.raw);
    if (isRoot || issuer === undefined) break;
    certificate = issuer;
  }
  return chain;
}
