/** A pod as the API server gives it back, as far as whoever runs it reads it. */
export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
    readonly volumes?: readonly Volume[];
  };
}

export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly restartPolicy?: string;
  readonly env?: readonly EnvVar[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext?: {
    readonly runAsUser?: number;
    readonly runAsGroup?: number;
    readonly capabilities?: { readonly add?: readonly string[] };
  };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: number | string };
}

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

export interface Volume {
  readonly name: string;
  readonly projected?: {
    readonly sources: readonly {
      readonly serviceAccountToken?: { readonly path: string; readonly audience: string };
    }[];
  };
}

/** The environment of a container, as a kubelet makes it: fields filled in, `$(NAME)` replaced. */
export function environmentOf(pod: PodObject, { env = [] }: Container): Record<string, string> {
  const made: Record<string, string> = {};
  for (const { name, value, valueFrom } of env) {
    const path = valueFrom?.fieldRef?.fieldPath;
    const text = path === undefined ? (value ?? "") : fieldOf(pod, path);
    made[name] = text.replaceAll(/\$\((\w+)\)/g, (whole, other: string) => made[other] ?? whole);
  }
  return made;
}

/** Where a kubelet asks: `:8080/healthy`. */
export function probeTarget({ ports = [] }: Container, { httpGet }: Probe): string {
  if (httpGet === undefined) throw new RangeError("it is no HTTP probe");
  const named = ports.find(({ name }) => name === httpGet.port);
  return `:${named?.containerPort ?? httpGet.port}${httpGet.path}`;
}

function fieldOf({ metadata, spec }: PodObject, path: string): string {
  const [, label] = /^metadata\.labels\['(.+)'\]$/.exec(path) ?? [];
  if (label !== undefined) return metadata.labels?.[label] ?? "";
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "spec.serviceAccountName": spec.serviceAccountName,
  };
  const found = fields[path];
  if (found === undefined) throw new RangeError(`a kubelet would know ${path}, this one does not`);
  return found;
}
