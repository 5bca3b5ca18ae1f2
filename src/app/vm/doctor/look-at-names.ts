import { lookup, Resolver } from "node:dns/promises";
import { formatHostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import { nameOf, namespaceOf, type ServiceId } from "../../../mesh/ids.ts";
import type { SidecarConfig } from "../../config/config.ts";
import { isNamed } from "../names/upstream-zone.ts";
import { bad, type Diagnosis, good, odd } from "./diagnosis.ts";

/** Whether names are answered, and whether this machine's programs get to whoever answers. */
export async function lookAtNames({
  dns,
  upstreams,
}: Pick<SidecarConfig, "dns" | "upstreams">): Promise<readonly Diagnosis[]> {
  const named = upstreams.find(isNamed);
  if (dns === undefined || named === undefined) return [];
  const subject = formatHostPort(dns.listen);
  const name = hostOf(named.service);
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers([subject]);
  try {
    const [address] = await resolver.resolve4(name);
    if (address !== named.listen.host) throw new Error(`it answers ${address ?? "nothing"}`);
  } catch (thrown) {
    const todo = "does the sidecar run? it answers names, too";
    return [bad("VM_NAMES", { subject, found: `${name}: ${reasonOf(thrown)}`, todo })];
  }
  return [
    good("VM_NAMES", subject, `${name} is ${named.listen.host}`),
    await lookAtResolver(name, named.listen.host),
  ];
}

/** As a program asks: by this machine's own resolver. */
async function lookAtResolver(name: string, wanted: string): Promise<Diagnosis> {
  const found = await lookup(name, { all: true }).then(
    (all) => all.map(({ address }) => address).join(", "),
    (thrown: unknown) => reasonOf(thrown),
  );
  if (found === wanted) return good("VM_RESOLVER", name, found);
  return odd("VM_RESOLVER", {
    subject: name,
    found,
    todo: "this machine's resolver does not ask the sidecar: programs dial upstreams by number, or see docs/operations.md, VMs, Names",
  });
}

function hostOf(service: ServiceId): string {
  return `${nameOf(service)}.${namespaceOf(service)}.svc.cluster.local`;
}
