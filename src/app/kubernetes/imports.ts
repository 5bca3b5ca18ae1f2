import { namedServiceOf } from "../../discovery/dns/named-service.ts";
import { createServiceZone } from "../../discovery/dns/service-zone.ts";
import { type DnsServer, startDnsServer } from "../../discovery/io/dns-server.ts";
import {
  createMcsController,
  type ImportState,
  type McsController,
  type McsCounts,
} from "../../discovery/io/kubernetes/mcs/mcs-controller.ts";
import type { OpenStream } from "../../discovery/io/kubernetes/watch-attempt.ts";
import type { KubeApi } from "../../discovery/kubernetes/kube-api.ts";
import type { LeaderPort } from "../../discovery/publish/election.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import type { MemberName, Namespace, ServiceId } from "../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { AgentCore } from "../agent/core/agent-core.ts";
import type { DnsConfig, McsConfig } from "../config/kubernetes/mcs-config.ts";
import { exportBookOf } from "./export-book.ts";
import { createImportWait } from "./import-wait.ts";

/** The imports of an agent's own cluster: their objects, their names, and where they are dialled. */
export interface Imports extends AsyncDisposable {
  /** What members export of these may be another. */
  readonly touch: (ids: Iterable<ServiceId>) => void;
  readonly findings: () => readonly Finding[];
  /** Sidecars that return lose none of them; or there is no use in waiting. */
  readonly isKnown: () => boolean;
  readonly counts: () => McsCounts;
  /** Absent: names are not answered. */
  readonly dns?: HostPort;
}

export interface ImportsOptions {
  readonly self: MemberName;
  readonly mcs: McsConfig;
  readonly dns?: DnsConfig;
  readonly core: Pick<
    AgentCore,
    "local" | "mesh" | "catalog" | "resources" | "isSettled" | "isWarm"
  >;
  readonly api: KubeApi;
  readonly open: OpenStream;
  readonly isLeader: () => boolean;
  /** Why the charter does not let this member export from a namespace; undefined: it does. */
  readonly refusalOf: (namespace: Namespace) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

// Who leads, whether hubs take writes, whether all is known: each changes what is to be written of everything.
const lookMs = 500;

/** Throws MESH_LISTEN_FAILED where the DNS port is taken. */
export async function startImports(options: ImportsOptions): Promise<Imports> {
  const { core, isLeader, log } = options;
  await using opened = new AsyncDisposableStack();
  const zone = createServiceZone();
  const addresses = createAddressBook((id, ips) => core.resources.setImportIps(id, ips));
  const known = { isAll: false };
  const book = exportBookOf(core, options);
  const leadership = followed(isLeader);
  const controller = opened.use(
    createMcsController({
      ...options,
      exports: book,
      leadership,
      withSlices: options.mcs.endpointSlices === "reachable",
      onState: (id, state) => {
        addresses.set(id, state.provenIps);
        zone.set(id, namedOf(state));
      },
      onSynced: () => {
        known.isAll = true;
        log.info({ count: zone.size() }, "Imports are known");
      },
    }),
  );
  const dns = await startDns(options, {
    ...zone,
    isKnown: () => known.isAll && core.isWarm(),
  });
  if (dns !== undefined) opened.use(dns);
  let last = "";
  const look = setInterval(() => {
    leadership.look();
    const state = `${book.isSettled()} ${book.cutOff() ?? ""}`;
    if (state !== last) controller.touchAll();
    last = state;
  }, lookMs);
  opened.defer(() => clearInterval(look));
  controller.start();
  const { clock } = options;
  const isKnown = createImportWait({
    isKnown: controller.isCaughtUp.bind(controller),
    isRefused: controller.isRefused.bind(controller),
    clock,
  });
  return runningImports(opened.move(), { controller, dns, isKnown });
}

function runningImports(
  owned: AsyncDisposableStack,
  parts: {
    readonly controller: McsController;
    readonly dns: DnsServer | undefined;
    readonly isKnown: () => boolean;
  },
): Imports {
  const { controller, dns, isKnown } = parts;
  return {
    touch: (ids) => controller.touch(ids),
    findings: () => controller.findings(),
    isKnown,
    counts: () => controller.counts(),
    ...(dns === undefined ? {} : { dns: dns.address }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startDns(
  { dns, clock, telemetry, log }: ImportsOptions,
  services: Parameters<typeof startDnsServer>[0]["services"],
): Promise<DnsServer | undefined> {
  if (dns === undefined) return undefined;
  const zones = [dns.zone.toLowerCase().split(".")];
  const server = await startDnsServer({ listen: dns.listen, zones, services, clock, telemetry });
  log.info({ address: formatHostPort(server.address) }, "Answers DNS");
  return server;
}

function namedOf(state: ImportState): ReturnType<typeof namedServiceOf> {
  return state.isImported ? namedServiceOf(state.constituents, state.ips) : undefined;
}

/** A port that finds out by looking. */
function followed(isLeader: () => boolean): LeaderPort & { readonly look: () => void } {
  const listeners = new Set<(isLeader: boolean) => void>();
  let was = isLeader();
  return {
    isLeader,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    look: () => {
      const is = isLeader();
      if (is === was) return;
      was = is;
      for (const listener of listeners) listener(is);
    },
  };
}

/** Tells proxies where imports are dialled; each time it is told costs them a look at the service. */
function createAddressBook(tell: (id: ServiceId, ips: readonly string[]) => void): {
  readonly set: (id: ServiceId, ips: readonly string[]) => void;
} {
  const known = new Map<ServiceId, string>();
  return {
    set: (id, ips) => {
      const text = ips.join();
      if ((known.get(id) ?? "") === text) return;
      if (text === "") known.delete(id);
      else known.set(id, text);
      tell(id, ips);
    },
  };
}
