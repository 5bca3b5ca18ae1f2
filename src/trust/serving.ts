import type { KeyObject } from "node:crypto";
import { spkiOf } from "./keys.ts";
import { toPem } from "./pem.ts";
import { signerOf } from "./signer.ts";
import { authorityName, certificateOf, keyIdOf, servingExtensions, tbsOf } from "./template.ts";

export interface ServingCertificate {
  readonly certPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

// As for SVIDs: clocks differ.
const backdateMs = 15 * 60_000;

/**
 * A certificate that vouches for itself, for a client that is told it by name: it can sign no other. A member's
 * issuer may not speak for names outside of its trust domain, such as those of Kubernetes Services.
 */
export async function createServing(options: {
  readonly key: KeyObject;
  readonly dnsNames: readonly string[];
  readonly nowMs: number;
  readonly lifeMs: number;
}): Promise<ServingCertificate> {
  const { key, dnsNames, nowMs, lifeMs } = options;
  const spki = spkiOf(key);
  const name = authorityName("serving", spki);
  const second = Math.floor(nowMs / 1000) * 1000;
  const times = { notBeforeMs: second - backdateMs, notAfterMs: second + lifeMs };
  const tbs = tbsOf({
    issuer: name,
    subject: name,
    ...times,
    spki,
    issuerKeyId: keyIdOf(spki),
    extensions: servingExtensions(dnsNames),
  });
  const der = certificateOf(tbs, await signerOf(key).sign(tbs));
  return { certPem: toPem("CERTIFICATE", der), ...times };
}
