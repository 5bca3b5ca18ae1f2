import { type Namespace, namespaceOf, type ServiceId } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { Finding, LocalService } from "../../../mesh/service.ts";
import type { KnownPods } from "./known-pods.ts";

/** Notices exports of this member that nobody else can use, and that nothing else tells of. */
export interface ExportWatch {
  /** Call every few seconds. */
  readonly look: () => void;
  readonly findings: () => readonly Finding[];
}

export interface ExportWatchOptions {
  readonly isWarm: () => boolean;
  readonly services: () => Iterable<LocalService>;
  readonly sidecarOf: KnownPods["sidecarOf"];
  /** Why the charter does not let this member export from a namespace; undefined: it does. */
  readonly refusalOf: (namespace: Namespace) => string | undefined;
  readonly clock: Clock;
}

/** One export whose pods are bare. */
interface Bare {
  readonly id: ServiceId;
  readonly sinceMs: number;
  readonly healthy: number;
  /** Names of the pods. */
  readonly pods: readonly string[];
  /** Of them on their node's network, where no sidecar can be. */
  readonly unfit: number;
}

// Pods that come and go stand there without a proof for some seconds.
const tolerableMs = 30_000;
const maxNamed = 20;
const maxExamples = 3;

export function createExportWatch(options: ExportWatchOptions): ExportWatch {
  const { clock, services, refusalOf } = options;
  let bare = new Map<ServiceId, Bare>();
  /** Exports by namespace. */
  let refused = new Map<Namespace, ServiceId[]>();

  return {
    look: () => {
      const found = new Map<ServiceId, Bare>();
      const byNamespace = new Map<Namespace, ServiceId[]>();
      for (const service of options.isWarm() ? services() : []) {
        if (service.exported === undefined) continue;
        const namespace = namespaceOf(service.id);
        const exports = byNamespace.get(namespace) ?? [];
        exports.push(service.id);
        byNamespace.set(namespace, exports);
        const sinceMs = bare.get(service.id)?.sinceMs ?? clock.monotonicMs();
        const one = bareOf(service, { ...options, namespace, sinceMs });
        if (one.pods.length > 0) found.set(service.id, one);
      }
      bare = found;
      refused = byNamespace;
    },
    findings: () => {
      const nowMs = clock.monotonicMs();
      const lasting = [...bare.values()].filter(({ sinceMs }) => nowMs - sinceMs >= tolerableMs);
      return [
        ...[...refused].flatMap(([namespace, ids]) =>
          refusedFinding(namespace, { ids, reason: refusalOf(namespace) }),
        ),
        ...lasting.slice(0, maxNamed).map(bareFinding),
        ...moreFinding(lasting.length - maxNamed),
      ];
    },
  };
}

function bareOf(
  { id, endpoints }: LocalService,
  known: Pick<ExportWatchOptions, "sidecarOf"> & {
    readonly namespace: Namespace;
    readonly sinceMs: number;
  },
): Bare {
  const { sidecarOf, namespace, sinceMs } = known;
  const healthy = endpoints.filter(({ health }) => health === "healthy");
  const unproven = healthy.filter(({ sidecars = {} }) => Object.keys(sidecars).length === 0);
  const words = unproven.map((endpoint) => ({ endpoint, word: sidecarOf(namespace, endpoint) }));
  const unfit = words.filter(({ word }) => word === "unfit").length;
  const pods = words
    .filter(({ word }) => word === "unasked" || word === "unfit")
    .map(({ endpoint }) => endpoint.workload);
  return { id, sinceMs, healthy: healthy.length, pods, unfit };
}

function bareFinding({ id, healthy, pods, unfit }: Bare): Finding {
  const namespace = namespaceOf(id);
  const isAll = pods.length === healthy;
  const reached = isAll ? "other members reach nothing of it" : "other members reach the rest only";
  const rest = pods.length > maxExamples ? ` and ${pods.length - maxExamples} more` : "";
  const onNode = unfit === 0 ? "" : ` (${unfit} on the node's network, where none can be)`;
  const message =
    `${pods.length} of ${healthy} healthy pods have no sidecar${onNode}, and no label asks for one: ${reached}. ` +
    `kubectl label namespace ${namespace} isthmus.dev/inject=enabled, then make the pods anew: ` +
    `${pods.toSorted().slice(0, maxExamples).join(", ")}${rest}`;
  return { code: "EXPORT_WITHOUT_SIDECAR", severity: "warning", subject: id, message };
}

function moreFinding(count: number): readonly Finding[] {
  if (count <= 0) return [];
  const message = `${count} more exports have pods without a sidecar that no label asks for`;
  return [{ code: "EXPORT_WITHOUT_SIDECAR", severity: "warning", subject: "and more", message }];
}

function refusedFinding(
  subject: Namespace,
  { ids, reason }: { readonly ids: readonly ServiceId[]; readonly reason: string | undefined },
): readonly Finding[] {
  if (reason === undefined) return [];
  const rest = ids.length > maxExamples ? ` and ${ids.length - maxExamples} more` : "";
  const message =
    `no other member takes over what is exported here: ${reason}. Issue the member again with --export ${subject}, or delete the ` +
    `exports: ${ids.slice(0, maxExamples).join(", ")}${rest}`;
  return [{ code: "EXPORT_REFUSED", severity: "error", subject, message }];
}
