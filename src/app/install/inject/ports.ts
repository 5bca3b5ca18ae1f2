import { isMap, type JsonMap } from "../../../mesh/json-map.ts";
import { listIn, mapIn } from "./pod.ts";

/** Container ports that the node leads from a port of its own: whoever dials those speaks no mTLS. */
export function hostPortsOf(spec: JsonMap): readonly number[] {
  return containersOf(spec)
    .flatMap((container) => listIn(container, "ports"))
    .filter(({ hostPort }) => typeof hostPort === "number" && hostPort > 0)
    .flatMap(({ containerPort }) => (typeof containerPort === "number" ? [containerPort] : []));
}

const probeNames = ["livenessProbe", "readinessProbe", "startupProbe"] as const;

/**
 * Lets the sidecar's launcher ask for the TCP probes of a kubelet. A redirected connection is accepted by the
 * sidecar, so that such a probe would hold whatever the application does; HTTP, gRPC and exec probes meet the
 * application itself and stay as they are.
 */
export function withTcpProbes(
  container: JsonMap,
  adminPort: number,
): { readonly container: JsonMap; readonly ports: readonly number[] } {
  const changed: Record<string, unknown> = {};
  const ports: number[] = [];
  for (const name of probeNames) {
    const probe = container[name];
    const port = isMap(probe) ? tcpPortOf(probe, container) : undefined;
    if (!isMap(probe) || port === undefined) continue;
    const { tcpSocket: _replaced, ...rest } = probe;
    changed[name] = { ...rest, httpGet: { path: `/probe/tcp/${port}`, port: adminPort } };
    ports.push(port);
  }
  return { container: { ...container, ...changed }, ports };
}

function tcpPortOf(probe: JsonMap, container: JsonMap): number | undefined {
  const socket = mapIn(probe, "tcpSocket");
  // A host of its own leads elsewhere.
  if (socket["host"] !== undefined) return undefined;
  const { port } = socket;
  if (typeof port === "number") return port;
  const named = listIn(container, "ports").find(({ name }) => name === port && name !== undefined);
  const found = named?.["containerPort"];
  return typeof found === "number" ? found : undefined;
}

/** All that run together with the sidecar: init containers that end before are none of them. */
export function containersOf(spec: JsonMap): readonly JsonMap[] {
  const besides = listIn(spec, "initContainers").filter(
    ({ restartPolicy }) => restartPolicy === "Always",
  );
  return [...listIn(spec, "containers"), ...besides];
}
