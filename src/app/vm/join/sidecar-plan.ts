import type { HostPort } from "../../../mesh/address.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { GroupDefinition } from "../../../mesh/workload-group.ts";
import type { SidecarInbound, SidecarUpstream } from "../../config/config.ts";
import { loopbackAddresses } from "../names/loopback-addresses.ts";
import { isNamed } from "../names/upstream-zone.ts";
import type { WantedUpstream } from "./vm-words.ts";

/** Where mTLS for the group's first port is taken; its next port at the next number. */
const firstInboundPort = 15_006;
/** Where the first upstream is dialled by number. */
const firstUpstreamPort = 15_101;
const byNumber = "127.0.0.1";

export interface PlanOptions {
  readonly definition: Pick<GroupDefinition, "ports" | "upstreams">;
  /** At which the mesh reaches this VM; IP literal. */
  readonly address: string;
  /** Beside those of the group. */
  readonly wanted: readonly WantedUpstream[];
  /** As they were when this VM joined before: whoever dials one finds it where it was. */
  readonly before: readonly SidecarUpstream[];
  readonly withNames: boolean;
  /** Whether this process may listen there now. */
  readonly isFree: (listen: HostPort) => Promise<boolean>;
}

export interface SidecarPlan {
  readonly inbound: readonly SidecarInbound[];
  readonly upstreams: readonly SidecarUpstream[];
}

/** The ports of a VM's sidecar. Every upstream is dialled by number; by its name, too, where its own port is to be had. */
export async function planSidecar(options: PlanOptions): Promise<SidecarPlan> {
  const wanted = distinct([...options.wanted, ...options.definition.upstreams]);
  const numbered = await numberedOf(wanted, options);
  const named = options.withNames ? await namedOf(wanted, options) : [];
  const isFirst = firstAt();
  const upstreams = [...numbered, ...named].filter(({ listen }) => isFirst(listen));
  return { inbound: inboundOf(options), upstreams };
}

function inboundOf({ definition, address }: PlanOptions): readonly SidecarInbound[] {
  return definition.ports
    .filter(({ protocol }) => protocol === "TCP")
    .map(({ port }, index) => ({
      endpoint: { host: address, port },
      listen: { host: address, port: firstInboundPort + index },
      app: { host: "127.0.0.1", port },
    }));
}

/** The first of those for one port of one service: what was typed comes before what the group says. */
function distinct(wanted: readonly WantedUpstream[]): readonly WantedUpstream[] {
  const byKey = new Map<string, WantedUpstream>();
  for (const one of wanted) {
    const key = keyOf(one);
    if (!byKey.has(key)) byKey.set(key, one);
  }
  return [...byKey.values()];
}

function keyOf({ service, port }: Pick<WantedUpstream, "service" | "port">): string {
  return `${service}:${port}`;
}

async function numberedOf(
  wanted: readonly WantedUpstream[],
  { before, isFree }: PlanOptions,
): Promise<readonly SidecarUpstream[]> {
  const kept = new Map(
    before
      .filter((one) => one.listen.host === byNumber && !isNamed(one))
      .map((one) => [keyOf(one), one.listen]),
  );
  const fixed = wanted.map((one) => one.listen ?? kept.get(keyOf(one)));
  const taken = new Set(fixed.flatMap((one) => (one?.host === byNumber ? [one.port] : [])));
  let next = firstUpstreamPort;
  const upstreams: SidecarUpstream[] = [];
  for (const [index, { service, port }] of wanted.entries()) {
    let listen = fixed[index];
    while (listen === undefined) {
      const one = { host: byNumber, port: next };
      if (!taken.has(next) && (await isFree(one))) listen = one;
      next += 1;
    }
    upstreams.push({ service, port, listen });
  }
  return upstreams;
}

/**
 * A service gets its name when all of its ports can be had: with half of them, programs would find nobody
 * where the name says that somebody is. Ports of this VM's own application stay free for it, on every address.
 */
async function namedOf(
  wanted: readonly WantedUpstream[],
  { definition, before, isFree }: PlanOptions,
): Promise<readonly SidecarUpstream[]> {
  const own = new Set(definition.ports.map(({ port }) => port));
  const had = new Set(before.filter(isNamed).map(({ listen }) => whereOf(listen)));
  const canHave = async (listen: HostPort): Promise<boolean> =>
    !own.has(listen.port) && (had.has(whereOf(listen)) || (await isFree(listen)));
  const addresses = loopbackAddresses(wanted.map(({ service }) => service));
  const named: SidecarUpstream[] = [];
  for (const [, all] of Map.groupBy(wanted, ({ service }) => service)) {
    const upstreams = all.map(({ service, port }) => upstreamAt({ service, port }, addresses));
    const free = await Promise.all(upstreams.map(({ listen }) => canHave(listen)));
    if (free.every(Boolean)) named.push(...upstreams);
  }
  return named;
}

function upstreamAt(
  { service, port }: Pick<WantedUpstream, "service" | "port">,
  addresses: ReadonlyMap<ServiceId, string>,
): SidecarUpstream {
  return { service, port, listen: { host: addresses.get(service) ?? byNumber, port } };
}

function firstAt(): (listen: HostPort) => boolean {
  const seen = new Set<string>();
  return (listen) => {
    const where = whereOf(listen);
    if (seen.has(where)) return false;
    seen.add(where);
    return true;
  };
}

function whereOf({ host, port }: HostPort): string {
  return `${host}:${port}`;
}
