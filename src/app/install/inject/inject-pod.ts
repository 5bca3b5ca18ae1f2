import type { JsonMap } from "../../../mesh/json-map.ts";
import { defaultSidecarUid } from "../../capture/defaults.ts";
import { version } from "../../version.ts";
import {
  adminPort,
  captureContainer,
  type InjectionSettings,
  sidecarContainer,
  volumesFor,
} from "./containers.ts";
import { listIn, mapIn } from "./pod.ts";
import { containersOf, hostPortsOf, withTcpProbes } from "./ports.ts";
import { injectedAnnotation, wordsOf } from "./words.ts";

export interface Injected {
  readonly pod: JsonMap;
  /** For whoever creates the pod. */
  readonly warnings: readonly string[];
}

/** A pod with its sidecar. Throws MESH_USAGE for an annotation that says nothing. */
export function injectPod(pod: JsonMap, settings: InjectionSettings): Injected {
  const words = wordsOf(pod);
  const spec = mapIn(pod, "spec");
  const metadata = mapIn(pod, "metadata");
  const hostPorts = hostPortsOf(spec);
  const probed = listIn(spec, "containers").map((each) => withTcpProbes(each, adminPort));
  const ports = {
    openPorts: unique([...words.excludeInboundPorts, ...hostPorts]),
    probePorts: unique(probed.flatMap((one) => one.ports)),
  };
  const wish = { words, ports };
  const first = [
    ...(words.capture === "none" ? [] : [captureContainer(settings, wish)]),
    sidecarContainer(settings, wish),
  ];
  return {
    pod: {
      ...pod,
      metadata: {
        ...metadata,
        annotations: { ...mapIn(metadata, "annotations"), [injectedAnnotation]: version },
      },
      spec: {
        ...spec,
        // Before all others: what those dial while they prepare the pod goes by the sidecar, too.
        initContainers: [...first, ...listIn(spec, "initContainers")],
        containers: probed.map(({ container }) => container),
        volumes: [...listIn(spec, "volumes"), ...volumesFor(settings)],
      },
    },
    warnings: warningsOf(spec, hostPorts),
  };
}

function warningsOf(spec: JsonMap, hostPorts: readonly number[]): readonly string[] {
  const asSidecar = [spec, ...containersOf(spec)].some(
    (one) => mapIn(one, "securityContext")["runAsUser"] === defaultSidecarUid,
  );
  return [
    ...hostPorts.map(
      (port) =>
        `isthmus: port ${port} has a hostPort: its callers meet the application without mTLS`,
    ),
    ...(asSidecar
      ? [`isthmus: a container runs as user ${defaultSidecarUid}, the sidecar's: it dials past it`]
      : []),
  ];
}

function unique(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

/** One step of RFC 6902. */
export interface PatchStep {
  readonly op: "add";
  readonly path: string;
  readonly value: unknown;
}

/** Only what injection touches, each part whole: `add` takes the place of what is there. */
export function patchFor({ pod }: Injected): readonly PatchStep[] {
  const spec = mapIn(pod, "spec");
  const parts = ["initContainers", "containers", "volumes"] as const;
  return [
    {
      op: "add",
      path: "/metadata/annotations",
      value: mapIn(mapIn(pod, "metadata"), "annotations"),
    },
    ...parts.map((part): PatchStep => ({ op: "add", path: `/spec/${part}`, value: spec[part] })),
  ];
}
