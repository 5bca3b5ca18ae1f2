import type { MemberName, MeshDomain, ServiceId, TrustDomain } from "./ids.ts";
import { nameOf, namespaceOf, parseServiceId } from "./ids.ts";

/** `cluster.local`: the local name that fails over; `clusterset.local`: the MCS name of the export. */
export const serviceSuffixes = ["svc.cluster.local", "svc.clusterset.local"] as const;
export type ServiceSuffix = (typeof serviceSuffixes)[number];

/** One port of one service under one of its two names. */
export interface ServiceTarget {
  readonly service: ServiceId;
  readonly port: number;
  readonly suffix: ServiceSuffix;
}

/** `cart.shop.svc.cluster.local` */
export function hostOf(target: Pick<ServiceTarget, "service" | "suffix">): string {
  return `${nameOf(target.service)}.${namespaceOf(target.service)}.${target.suffix}`;
}

/** `outbound|80||cart.shop.svc.cluster.local`: Istio's form, because operators know it. */
export function outboundName(target: ServiceTarget): string {
  return `outbound|${target.port}||${hostOf(target)}`;
}

/** `inbound|8080||10.0.0.7`: the application behind one inbound entry of a sidecar. */
export function inboundName(entry: { readonly address: string; readonly port: number }): string {
  return `inbound|${entry.port}||${entry.address}`;
}

const withoutPrefix = "without ";

/**
 * Of an outbound filter chain: which trust domains its connections may lead to no more, also those that are
 * open. Another name is another chain, and Envoy ends the connections of what is replaced.
 */
export function withoutName(trustDomains: readonly TrustDomain[]): string {
  return trustDomains.length === 0 ? "" : `${withoutPrefix}${[...trustDomains].sort().join(" ")}`;
}

/** The trust domains in such a name; none in any other. */
export function trustDomainsWithout(name: string): readonly string[] {
  return name.startsWith(withoutPrefix) ? name.slice(withoutPrefix.length).split(" ") : [];
}

/** `outbound_.80_._.cart.shop.svc.cluster.local`: what a sidecar sends as SNI. */
export function sniOf(target: ServiceTarget): string {
  return `outbound_.${target.port}_._.${hostOf(target)}`;
}

const sniShape =
  /^outbound_\.(\d{1,5})_\._\.([a-z0-9-]+)\.([a-z0-9-]+)\.(svc\.cluster(?:set)?\.local)$/;

/** What an SNI asks for, or undefined when it is not one of ours. */
export function targetOfSni(sni: string): ServiceTarget | undefined {
  const match = sniShape.exec(sni);
  if (match === null) return undefined;
  const [, port = "", name = "", namespace = "", suffix = ""] = match;
  const number = Number(port);
  const isPort = number >= 1 && number <= 65_535 && String(number) === port;
  if (!isPort || `${namespace}/${name}`.split("/").some((part) => part.length > 63))
    return undefined;
  try {
    const service = parseServiceId(`${namespace}/${name}`);
    return { service, port: number, suffix: suffix as ServiceSuffix };
  } catch {
    return undefined;
  }
}

const outboundShape = /^outbound\|(\d{1,5})\|\|([a-z0-9.-]+)$/;

/** What an Envoy cluster of a sidecar or a gateway leads to; undefined: to no service of the mesh. */
export function targetOfEnvoyCluster(name: string): ServiceTarget | undefined {
  const match = outboundShape.exec(name);
  if (match === null) return targetOfSni(name);
  const [, port = "", host = ""] = match;
  return targetOfSni(`outbound_.${port}_._.${host}`);
}

/** The one SNI that ends inside a gateway process: other members' probes. */
export function probeSniOf(member: MemberName, mesh: MeshDomain): string {
  return `probe.${member}.${mesh}`;
}

/** SDS name of the peers' identities for one service under both of its names. */
export function validationName(service: ServiceId): string {
  return `validation|${service}`;
}

/** SDS name of the bundle alone, for whoever accepts callers and judges them by RBAC. */
export const meshValidationName = "validation|mesh";
/** SDS name of the proxy's own SVID. It is answered by the launcher, never by the agent. */
export const identityName = "identity";
