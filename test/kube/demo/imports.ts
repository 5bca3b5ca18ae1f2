import { Resolver } from "node:dns/promises";
import { setTimeout as wait } from "node:timers/promises";
import { run } from "../../system/program.ts";
import type { Member } from "./member.ts";
import { addressesOf, ports, shop } from "./plan.ts";

const everyMs = 100;
const limitMs = 60_000;

/** The ServiceImports of a member's cluster as `kubectl get` prints them, once every exporter is among them. */
export async function importsOf(member: Member, exporters: readonly string[]): Promise<string> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs) {
    const table = await member.cluster.kubectl(["get", "serviceimports", "-n", shop]);
    if (exporters.every((exporter) => table.includes(exporter))) return table;
    await wait(everyMs);
  }
  throw new Error(`A ServiceImport of ${member.plan.name} lacks one of ${exporters.join(", ")}`);
}

/** What the member's agent answers for the clusterset name of a service of the shop. */
export async function addressOfImport(member: Member, name: string): Promise<string> {
  const resolver = new Resolver();
  resolver.setServers([`${addressesOf(member.plan).agent}:${ports.dns}`]);
  const host = `${name}.${shop}.svc.clusterset.local`;
  const addresses = await resolver.resolve4(host);
  return `${host} is ${addresses.join(", ")} in ${member.plan.name}`;
}

/** `isthmus status` and `isthmus services` of a member, as an operator there sees them. */
export async function seenBy(member: Member): Promise<string> {
  const agent = `http://${addressesOf(member.plan).agent}:${ports.api}`;
  const texts: string[] = [];
  for (const command of ["status", "services"]) {
    const { code, out, err } = await run([command, "--agent", agent], member.dir);
    if (code !== 0) throw new Error(`isthmus ${command}: ${err}`);
    texts.push(out);
  }
  return texts.join("\n");
}

/** As it stands below a step. */
export const indented = (text: string): string => text.trim().replaceAll("\n", "\n    ");
