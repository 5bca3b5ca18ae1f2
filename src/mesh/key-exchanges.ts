/**
 * What TLS may agree keys with, best first. The post-quantum hybrid leads: what crosses clouds today
 * must not be readable later. X25519 and P-256 are for peers whose TLS library has no hybrid yet.
 */
export const keyExchanges = ["X25519MLKEM768", "X25519", "P-256"] as const;

/** The same as OpenSSL, and with it Node's `ecdhCurve`, takes it. */
export const keyExchangeList: string = keyExchanges.join(":");
