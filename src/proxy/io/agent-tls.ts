import { constants } from "node:crypto";
import type { TlsOptions } from "node:tls";
import { keyExchangeList } from "../../mesh/key-exchanges.ts";
import type { Identity } from "../../mesh/ports.ts";

// A peer that has not finished its handshake by then is stuck or hostile.
export const handshakeTimeoutMs = 10_000;

/** TLS of the agent's port, with that identity: asks for a certificate, and leaves all judgement of it to us. */
export function agentTls(identity: Identity): TlsOptions {
  return {
    cert: identity.certChainPem,
    key: identity.privateKeyPem.reveal(),
    // None, not even the system's: `verifyPeer` judges. With a root that OpenSSL accepts, Node shows a
    // server the leaf alone and hides the chain.
    ca: [],
    minVersion: "TLSv1.3",
    ecdhCurve: keyExchangeList,
    requestCert: true,
    // Judged by `verifyPeer`, which knows the charter.
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
    // A resumed session shows no chain, and would outlive a removed issuer.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
