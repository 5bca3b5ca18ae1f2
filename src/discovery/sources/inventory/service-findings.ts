import type { LocalService } from "../../../mesh/service.ts";
import type { KubeExport, KubeService, KubeSlice } from "../objects/kube-objects.ts";
import type { Origin, SourceFinding, SourceFindingCode } from "../source-finding.ts";
import { originText } from "../source-finding.ts";

export interface Placed<T> {
  readonly object: T;
  readonly origin: Origin;
}

/** Everything the source has about one service id. */
export interface ServiceView {
  readonly service?: Placed<KubeService>;
  readonly slices: readonly Placed<KubeSlice>[];
  readonly exported?: Placed<KubeExport>;
  /** What came of it; absent without a service or for an ExternalName one. */
  readonly local?: LocalService;
}

/** Mistakes that no single object shows: what does not fit together, what has no effect. */
export function serviceFindings(view: ServiceView): SourceFinding[] {
  const { service } = view;
  if (service === undefined) return orphanFindings(view);
  return [
    ...portFindings(service, view),
    ...conflictFindings(view),
    ...exportFindings(service, view),
  ];
}

function orphanFindings({ slices, exported }: ServiceView): SourceFinding[] {
  const orphans = slices.map(({ object, origin }) =>
    finding("SOURCE_SLICE_UNUSED", origin, {
      message: `Cannot use ${object.key}: there is no Service ${object.service}; add it or correct the label`,
    }),
  );
  if (exported === undefined) return orphans;
  const { object, origin } = exported;
  const message = `Cannot export ${object.service}: there is no such Service; add it or delete the export`;
  return [
    ...orphans,
    finding("SOURCE_EXPORT_WITHOUT_SERVICE", origin, { message, severity: "error" }),
  ];
}

function portFindings(service: Placed<KubeService>, { slices }: ServiceView): SourceFinding[] {
  const filled = slices.filter(({ object }) => object.endpoints.length > 0);
  if (filled.length === 0 || service.object.type === "external") return [];
  const served = new Set(
    filled.flatMap(({ object }) => object.ports.map((port) => `${port.name}/${port.protocol}`)),
  );
  return service.object.ports
    .filter(({ name, protocol }) => !served.has(`${name}/${protocol}`))
    .map(({ name, port, protocol }) =>
      finding("SOURCE_PORT_UNSERVED", service.origin, {
        message:
          `Cannot serve port ${port} of ${service.object.id}: none of its EndpointSlices has a ` +
          `${protocol} port named "${name}"; give the slice's port the name of the service's port`,
      }),
    );
}

function conflictFindings({ slices }: ServiceView): SourceFinding[] {
  const seen = new Map<string, { readonly health: string; readonly origin: Origin }>();
  const findings: SourceFinding[] = [];
  for (const { object, origin } of slices) {
    for (const { workload, address, health } of object.endpoints) {
      const key = `${workload} ${address}`;
      const twin = seen.get(key);
      if (twin !== undefined && twin.health !== health) {
        const message =
          `${workload} of ${object.service} is ${health} here and ${twin.health} in ` +
          `${originText(twin.origin)}; the worse counts, delete one of the two`;
        findings.push(finding("SOURCE_ENDPOINT_CONFLICT", origin, { message }));
      }
      seen.set(key, { health, origin });
    }
  }
  return findings;
}

function exportFindings(
  service: Placed<KubeService>,
  { exported, local }: ServiceView,
): SourceFinding[] {
  if (exported === undefined) return [];
  const { id } = service.object;
  if (local === undefined) {
    const message = `Cannot export ${id}: it is an ExternalName service, which has no workloads; export the service it points to`;
    return [finding("SOURCE_EXPORT_TYPE_REFUSED", exported.origin, { message, severity: "error" })];
  }
  const findings: SourceFinding[] = [];
  if (local.ports.length > 0 && local.ports.every(({ protocol }) => protocol === "UDP")) {
    const message = `Cannot reach ${id} from other members: gateways carry TCP only and all its ports are UDP`;
    findings.push(finding("SOURCE_EXPORT_UNREACHABLE", exported.origin, { message }));
  }
  const nameless = local.endpoints.filter(({ serviceAccount }) => serviceAccount === undefined);
  if (nameless.length > 0) {
    const message =
      `Cannot reach ${nameless.length} of ${local.endpoints.length} workloads of ${id} from other members: ` +
      "they have no identity; annotate the Service or the EndpointSlice with isthmus.dev/service-account";
    findings.push(finding("SOURCE_EXPORT_WITHOUT_IDENTITY", exported.origin, { message }));
  }
  return findings;
}

function finding(
  code: SourceFindingCode,
  origin: Origin,
  said: { readonly message: string; readonly severity?: "error" },
): SourceFinding {
  const { message, severity = "warning" } = said;
  return { code, severity, subject: originText(origin), message };
}
