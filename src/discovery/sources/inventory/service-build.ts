import type { ExportTerms, LocalService } from "../../../mesh/service.ts";
import type { SourcedObject } from "../manifests/manifest.ts";
import type { KubeExport, KubeSlice, ServicePart } from "../objects/kube-objects.ts";
import type { SourceFinding } from "../source-finding.ts";
import { localServiceOf } from "./local-service.ts";
import type { Placed, ServiceView } from "./service-findings.ts";
import { serviceFindings } from "./service-findings.ts";

/** What comes of all objects about one service. */
export interface Built {
  /** Absent without a Service, or for one without workloads of its own. */
  readonly local?: LocalService;
  /** Equal for equal services. */
  readonly content?: string;
  readonly findings: readonly SourceFinding[];
}

/** One service out of the objects about it; the caller orders them, so that the same ones give the same. */
export function buildService(objects: readonly SourcedObject<ServicePart>[]): Built {
  const view = viewOf(objects);
  const findings = serviceFindings(view);
  const { local } = view;
  return local === undefined ? { findings } : { local, content: JSON.stringify(local), findings };
}

function viewOf(objects: readonly SourcedObject<ServicePart>[]): ServiceView {
  const slices: Placed<KubeSlice>[] = [];
  const parts: { -readonly [K in keyof ServiceView]?: ServiceView[K] } = {};
  let terms: ExportTerms = { createdAtMs: 0 };
  for (const { object, origin, firstSeenMs } of objects) {
    switch (object.t) {
      case "service":
        parts.service = { object, origin };
        break;
      case "slice":
        slices.push({ object, origin });
        break;
      case "export":
        parts.exported = { object, origin };
        terms = termsOf(object, firstSeenMs);
        break;
    }
  }
  const view: ServiceView = { ...parts, slices };
  if (view.service === undefined) return view;
  const local = localServiceOf({
    service: view.service.object,
    slices: slices.map(({ object }) => object),
    ...(view.exported === undefined ? {} : { exported: terms }),
  });
  return local === undefined ? view : { ...view, local };
}

function termsOf(
  { createdAtMs, labels, annotations }: KubeExport,
  firstSeenMs: number,
): ExportTerms {
  return {
    createdAtMs: createdAtMs ?? firstSeenMs,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
