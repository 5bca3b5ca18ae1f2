/** The sidecars that call a made-up mesh, and what they ask its agent for. */
import { parseServiceId, workloadSpiffeId } from "../../src/mesh/ids.ts";
import {
  meshValidationName,
  outboundName,
  type ServiceSuffix,
  type ServiceTarget,
  validationName,
} from "../../src/mesh/names.ts";
import { loadMember } from "../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { issueSvid } from "../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../src/trust/keys.ts";
import { toPem } from "../../src/trust/pem.ts";
import { zones } from "./made-services.ts";
import { self, trustDir } from "./mesh-files.ts";
import type { FleetOrder } from "./xds-fleet.ts";

const caller = { namespace: "shop", serviceAccount: "frontend" };
// Envoy's first request carries a node with the list of its extensions.
const envoyNodeBytes = 61_000;

/** A fleet of sidecars of the own member, each with a certificate of its own. */
export async function callers(
  dir: string,
  count: number,
): Promise<Pick<FleetOrder, "count" | "sidecar" | "tls" | "nodeBytes">> {
  const { issuer, bundle, trustDomain } = await loadMember(trustDir(dir, self));
  const id = workloadSpiffeId(trustDomain, caller);
  const tls: { cert: string; key: string; ca: string }[] = [];
  for (let index = 0; index < count; index += 1) {
    const key = newPrivateKey();
    const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs: Date.now() });
    const cert = toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer.certificate.der);
    tls.push({ cert, key: privateKeyPemOf(key).reveal(), ca: bundle.pem });
  }
  return { count, tls, nodeBytes: envoyNodeBytes, sidecar: { ...caller, zones } };
}

/** All that a sidecar asks for which knows the whole mesh, and how many resources that is. */
export function wholeMesh(services: {
  readonly local: readonly string[];
  /** Of these names, the ones under `clusterset.local` too. */
  readonly exported: readonly string[];
}): Pick<FleetOrder, "subscriptions" | "expected"> {
  const all = [...new Set([...services.local, ...services.exported])];
  const clusters = [
    ...all.map((name) => outboundName(targetOf(name, "svc.cluster.local"))),
    ...services.exported.map((name) => outboundName(targetOf(name, "svc.clusterset.local"))),
  ];
  const secrets = [
    meshValidationName,
    ...all.map((name) => validationName(targetOf(name, "svc.cluster.local").service)),
  ];
  return {
    subscriptions: [
      { type: "cluster", names: [] },
      { type: "endpoint", names: clusters },
      { type: "secret", names: secrets },
    ],
    expected: 2 * clusters.length + secrets.length,
  };
}

function targetOf(name: string, suffix: ServiceSuffix): ServiceTarget {
  return { service: parseServiceId(`shop/${name}`), port: 80, suffix };
}
