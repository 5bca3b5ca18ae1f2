import { X509Certificate } from "node:crypto";
import type { JsonMap } from "../../../mesh/json-map.ts";
import { listIn, mapIn, textIn } from "../../install/inject/pod.ts";

// Two agents, each with a certificate and the one before; more are left from restarts.
const maxCertificates = 8;

/**
 * The caBundle that a webhook should have: what other agents put there and still counts, and ours. PEM.
 * Undefined: it is as it should be.
 */
export function nextCaBundle(
  present: string,
  ours: { readonly pems: readonly string[]; readonly nowMs: number },
): string | undefined {
  const found = [...present.matchAll(pemBlock)].map(([pem]) => `${pem}\n`);
  const others = found.filter((pem) => isLiving(pem, ours.nowMs) && !ours.pems.includes(pem));
  const isOurs = ours.pems.every((pem) => found.includes(pem));
  if (
    isOurs &&
    found.length <= maxCertificates &&
    found.length === others.length + ours.pems.length
  )
    return undefined;
  // The last ones are the youngest: each agent adds its own at the end.
  const room = Math.max(0, maxCertificates - ours.pems.length);
  return [...others.slice(-room), ...ours.pems].join("");
}

const pemBlock = /-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----/g;

function isLiving(pem: string, nowMs: number): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() > nowMs;
  } catch {
    return false;
  }
}

/** The webhooks of a configuration with their bundles put right; undefined: nothing is to change. */
export function correctedWebhooks(
  configuration: JsonMap,
  ours: { readonly pems: readonly string[]; readonly nowMs: number },
): readonly JsonMap[] | undefined {
  let isChanged = false;
  const webhooks = listIn(configuration, "webhooks").map((webhook) => {
    const clientConfig = mapIn(webhook, "clientConfig");
    const present = Buffer.from(textIn(clientConfig, "caBundle") ?? "", "base64").toString(
      "latin1",
    );
    const next = nextCaBundle(present, ours);
    if (next === undefined) return webhook;
    isChanged = true;
    const caBundle = Buffer.from(next).toString("base64");
    return { ...webhook, clientConfig: { ...clientConfig, caBundle } };
  });
  return isChanged ? webhooks : undefined;
}
