import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import { sidecarName } from "../../../mesh/injection.ts";
import type { JsonMap } from "../../../mesh/json-map.ts";
import { defaultCapture, defaultSidecarUid } from "../../capture/defaults.ts";
import { captureName } from "./decide.ts";
import type { InjectionWords } from "./words.ts";

/** What all injected pods of a member have alike. */
export interface InjectionSettings {
  /** Holds isthmus, Envoy and nft. */
  readonly image: string;
  /** Where sidecars reach the agents. */
  readonly agents: readonly HostPort[];
  readonly trustDomain: TrustDomain;
  /** The roots in force. */
  readonly bundlePem: string;
  /** What the pod's token is meant for. */
  readonly audience: string;
  /** Where the mesh itself runs. */
  readonly ownNamespace: string;
}

export const adminPort = 15_021;

const volumeNames = { state: "isthmus-state", token: "isthmus-token" } as const;
const stateFolder = "/var/lib/isthmus";
const tokenFolder = "/var/run/secrets/isthmus";
// Kubernetes' own for such volumes; the kubelet replaces it at 80 % of that.
const tokenSeconds = 3600;
// A sidecar that waits for its agent keeps the pod from starting; after that the kubelet begins anew.
const startSeconds = 300;

/** Ports at which others meet the application itself, and those whose probes the sidecar asks for. */
export interface PortWishes {
  readonly openPorts: readonly number[];
  readonly probePorts: readonly number[];
}

/** Redirects the pod's connections, before anything else runs in it. */
export function captureContainer(
  settings: InjectionSettings,
  { words, ports }: { readonly words: InjectionWords; readonly ports: PortWishes },
): JsonMap {
  const list = (flag: string, items: readonly (string | number)[]): readonly string[] =>
    items.length === 0 ? [] : [`--${flag}`, items.join(",")];
  return {
    name: captureName,
    image: settings.image,
    args: [
      "capture",
      "apply",
      ...list("exclude-uids", [defaultSidecarUid]),
      ...list("exclude-inbound-ports", ports.openPorts),
      ...list("exclude-outbound-ports", words.excludeOutboundPorts),
      ...list("exclude-outbound-ranges", words.excludeOutboundRanges),
    ],
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "128Mi" } },
    // The one right that rules of a network namespace need; it ends with this container.
    securityContext: {
      ...locked,
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] },
    },
  };
}

/** Runs until the application has ended; the containers after it wait until it is ready. */
export function sidecarContainer(
  settings: InjectionSettings,
  { words, ports }: { readonly words: InjectionWords; readonly ports: PortWishes },
): JsonMap {
  return {
    name: sidecarName,
    image: settings.image,
    args: ["sidecar"],
    restartPolicy: "Always",
    env: [
      fromField("POD_NAME", "metadata.name"),
      fromField("POD_NAMESPACE", "metadata.namespace"),
      fromField("SERVICE_ACCOUNT", "spec.serviceAccountName"),
      // Empty where the cluster does not copy its nodes' labels to pods.
      fromField("POD_ZONE", "metadata.labels['topology.kubernetes.io/zone']"),
      { name: "ISTHMUS_CONFIG", value: JSON.stringify(configOf(settings, { words, ports })) },
    ],
    ports: [{ name: "isthmus-admin", containerPort: adminPort, protocol: "TCP" }],
    startupProbe: {
      httpGet: { path: "/readyz", port: adminPort },
      periodSeconds: 1,
      failureThreshold: startSeconds,
    },
    readinessProbe: { httpGet: { path: "/readyz", port: adminPort }, periodSeconds: 5 },
    livenessProbe: {
      httpGet: { path: "/healthz", port: adminPort },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    resources: {
      requests: { cpu: words.cpu, memory: words.memory },
      limits: { memory: words.memory },
    },
    securityContext: {
      ...locked,
      runAsUser: defaultSidecarUid,
      runAsGroup: defaultSidecarUid,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: volumeNames.state, mountPath: stateFolder },
      { name: volumeNames.token, mountPath: tokenFolder, readOnly: true },
    ],
  };
}

export function volumesFor({ audience }: InjectionSettings): readonly JsonMap[] {
  const token = { path: "token", audience, expirationSeconds: tokenSeconds };
  return [
    // A key is never on a disk.
    { name: volumeNames.state, emptyDir: { medium: "Memory", sizeLimit: "32Mi" } },
    { name: volumeNames.token, projected: { sources: [{ serviceAccountToken: token }] } },
  ];
}

const locked = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  seccompProfile: { type: "RuntimeDefault" },
} as const;

/** sidecar.yaml as JSON; the kubelet puts in what is written `$(NAME)`. */
function configOf(
  settings: InjectionSettings,
  { words, ports }: { readonly words: InjectionWords; readonly ports: PortWishes },
): JsonMap {
  return {
    agent: settings.agents.map(formatHostPort),
    identity: {
      // In a folder of its own: that of a volume may be written by everybody.
      dir: `${stateFolder}/sidecar`,
      tokenFile: `${tokenFolder}/token`,
      trustDomain: settings.trustDomain,
      bundle: settings.bundlePem,
    },
    engine: "envoy",
    workload: "$(POD_NAME)",
    namespace: "$(POD_NAMESPACE)",
    serviceAccount: "$(SERVICE_ACCOUNT)",
    zone: "$(POD_ZONE)",
    capture: {
      transparent: {
        openPorts: [...new Set([...defaultCapture.openPorts, ...ports.openPorts])],
        unknown: words.unknown,
      },
    },
    admin: `0.0.0.0:${adminPort}`,
    ...(ports.probePorts.length === 0 ? {} : { probePorts: ports.probePorts }),
    logLevel: words.logLevel,
  };
}

function fromField(name: string, fieldPath: string): JsonMap {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
