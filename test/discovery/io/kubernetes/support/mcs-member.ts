import { openKubeConnection } from "../../../../../src/discovery/io/kubernetes/api-access.ts";
import { kubernetesSource } from "../../../../../src/discovery/io/kubernetes/kubernetes-source.ts";
import type {
  ImportState,
  McsController,
} from "../../../../../src/discovery/io/kubernetes/mcs/mcs-controller.ts";
import { createMcsController } from "../../../../../src/discovery/io/kubernetes/mcs/mcs-controller.ts";
import {
  type Constituent,
  ownConstituent,
  remoteConstituent,
} from "../../../../../src/discovery/mcs/constituents.ts";
import type { LeaderPort } from "../../../../../src/discovery/publish/election.ts";
import { exportOf } from "../../../../../src/discovery/publish/export-records.ts";
import { serviceKey } from "../../../../../src/discovery/shards/record-key.ts";
import { parseRecord } from "../../../../../src/discovery/shards/records.ts";
import { type MemberName, type ServiceId, trustDomainOf } from "../../../../../src/mesh/ids.ts";
import type { Clock } from "../../../../../src/mesh/ports.ts";
import type { LocalService } from "../../../../../src/mesh/service.ts";
import { createTelemetry } from "../../../../../src/telemetry/registry.ts";
import type { KubeCluster } from "../../../../kube/cluster.ts";
import { mesh, silentLog } from "../../../support/made.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

/** What members tell each other here in place of a catalog: the very records that one would carry. */
export interface Exchange {
  readonly publish: (member: MemberName, service: LocalService) => void;
  readonly withdraw: (member: MemberName, id: ServiceId) => void;
  readonly of: (id: ServiceId, asking: MemberName) => readonly Constituent[];
  readonly ids: () => Iterable<ServiceId>;
  readonly onChange: (listener: (id: ServiceId) => void) => void;
}

export function createExchange(): Exchange {
  const byMember = new Map<MemberName, Map<ServiceId, LocalService>>();
  const listeners = new Set<(id: ServiceId) => void>();
  const tell = (id: ServiceId): void => {
    for (const listener of listeners) listener(id);
  };
  const constituent = (
    member: MemberName,
    service: LocalService | undefined,
    asking: MemberName,
  ): Constituent | undefined => {
    if (member === asking || service === undefined) return ownConstituent(member, service);
    const trustDomain = trustDomainOf(member, mesh);
    const content = exportOf(service, { trustDomain, isNetworkShared: true });
    const bytes = content?.encoded.get(serviceKey(service.id));
    const parsed = parseRecord(serviceKey(service.id), bytes ?? new Uint8Array());
    if (parsed.t !== "ok" || parsed.record.t !== "service") return undefined;
    // As if all had sidecars: there are none in these tests.
    const { endpoints } = service;
    return remoteConstituent(member, { record: parsed.record, endpoints, isUsable: true });
  };
  return {
    publish: (member, service) => {
      const services = byMember.get(member) ?? new Map<ServiceId, LocalService>();
      byMember.set(member, services.set(service.id, service));
      tell(service.id);
    },
    withdraw: (member, id) => {
      byMember.get(member)?.delete(id);
      tell(id);
    },
    of: (id, asking) =>
      [...byMember].flatMap(
        ([member, services]) => constituent(member, services.get(id), asking) ?? [],
      ),
    ids: () => [...byMember.values()].flatMap((services) => [...services.keys()]),
    onChange: (listener) => listeners.add(listener),
  };
}

/** A Lease in a test's hand. */
export class HeldLease implements LeaderPort {
  #isLeader: boolean;
  readonly #listeners = new Set<(isLeader: boolean) => void>();

  constructor(isLeader: boolean) {
    this.#isLeader = isLeader;
  }

  isLeader = (): boolean => this.#isLeader;

  onChange = (listener: (isLeader: boolean) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  set(isLeader: boolean): void {
    this.#isLeader = isLeader;
    for (const listener of this.#listeners) listener(isLeader);
  }
}

export interface McsMember extends AsyncDisposable {
  readonly controller: McsController;
  readonly lease: HeldLease;
  readonly states: ReadonlyMap<ServiceId, ImportState>;
  readonly metrics: () => Promise<string>;
}

/** What an agent does for one cluster, without the rest of it. */
export async function startMember(
  cluster: KubeCluster,
  options: {
    readonly member: MemberName;
    readonly exchange: Exchange;
    readonly isLeader?: boolean;
    readonly isSettled?: () => boolean;
    /** Default: it also reads the cluster's own services and publishes them. */
    readonly publishes?: boolean;
  },
): Promise<McsMember> {
  const { member, exchange, publishes = true } = options;
  await using undo = new AsyncDisposableStack();
  const access = { t: "kubeconfig", path: cluster.kubeconfig() } as const;
  const connection = undo.use(await openKubeConnection(access, { clock }));
  const { api, open } = connection;
  const lease = new HeldLease(options.isLeader ?? true);
  const states = new Map<ServiceId, ImportState>();
  const telemetry = createTelemetry("agent");
  const synced = Promise.withResolvers<void>();
  if (publishes) {
    const source = undo.use(
      kubernetesSource({ context: cluster.name, open, clock, random: Math.random }),
    );
    const onChange = ({
      upserts,
      removed,
    }: {
      readonly upserts: readonly LocalService[];
      readonly removed: readonly ServiceId[];
    }): void => {
      for (const service of upserts) exchange.publish(member, service);
      for (const id of removed) exchange.withdraw(member, id);
    };
    await source.start({ onChange, onFindings: () => {} }, new AbortController().signal);
  }
  const controller = undo.use(
    createMcsController({
      self: member,
      api,
      open,
      exports: {
        of: (id) => exchange.of(id, member),
        ids: exchange.ids,
        pending: () => undefined,
        isSettled: options.isSettled ?? (() => true),
      },
      leadership: lease,
      withSlices: true,
      onState: (id, state) => states.set(id, state),
      onSynced: () => synced.resolve(),
      clock,
      random: Math.random,
      log: silentLog,
      telemetry,
    }),
  );
  exchange.onChange((id) => controller.touch([id]));
  controller.start();
  await synced.promise;
  const owned = undo.move();
  return {
    controller,
    lease,
    states,
    metrics: () => telemetry.render(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
