import { canonicalIp, isIp } from "../../../mesh/address.ts";
import { injectLabel, sidecarName } from "../../../mesh/injection.ts";
import { type JsonMap, mapIn, mapsIn, textIn } from "../../../mesh/json-map.ts";

const templateHash = "pod-template-hash";

/** What the mesh knows of a pod: thousands of these are kept, so nothing else is. */
export interface KubePod {
  /** `<namespace>/<name>` */
  readonly key: string;
  readonly uid: string;
  /** `default` where the pod names none. */
  readonly serviceAccount: string;
  /** Its own IP literals, canonical; empty before it has one, after it ended, and on its node's network. */
  readonly addresses: readonly string[];
  /** Empty until it is placed. */
  readonly node: string;
  readonly isReady: boolean;
  /** `cannot`: on its node's network, on Windows, ended or ending. */
  readonly sidecar: "has" | "lacks" | "cannot";
  /** What its label says of that, `enabled`; empty: its namespace decides. */
  readonly injection: string;
  /** Of a pod that lacks a sidecar, what can be restarted: `Deployment/cart`. Else, and for other pods, empty. */
  readonly maker: string;
}

const name = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads a `v1` Pod as the API server writes it; undefined for what is none. Never throws. */
export function readPod(key: string, object: JsonMap): KubePod | undefined {
  const metadata = mapIn(object, "metadata");
  const spec = mapIn(object, "spec");
  const uid = metadata === undefined ? undefined : textIn(metadata, "uid");
  if (metadata === undefined || spec === undefined || uid === undefined) return undefined;
  const status = mapIn(object, "status") ?? {};
  const labels = mapIn(metadata, "labels") ?? {};
  const sidecar = sidecarOf({ metadata, spec, status });
  const serviceAccount = textIn(spec, "serviceAccountName") ?? "default";
  if (!name.test(serviceAccount)) return undefined;
  return {
    key,
    uid,
    serviceAccount,
    addresses: isAddressOwn(spec, status) ? addressesOf(status) : [],
    node: textIn(spec, "nodeName") ?? "",
    isReady: mapsIn(status, "conditions").some(
      (each) => textIn(each, "type") === "Ready" && textIn(each, "status") === "True",
    ),
    sidecar,
    injection: textIn(labels, injectLabel) ?? "",
    maker: sidecar === "lacks" ? makerOf(metadata, labels) : "",
  };
}

/** The address of a pod on its node's network is everybody's there; that of an ended pod is given away. */
function isAddressOwn(spec: JsonMap, status: JsonMap): boolean {
  return spec["hostNetwork"] !== true && !hasEnded(status);
}

function hasEnded(status: JsonMap): boolean {
  return ["Succeeded", "Failed"].includes(textIn(status, "phase") ?? "");
}

/** By its containers: an annotation may have been copied from a pod that had one. */
function sidecarOf(pod: {
  readonly metadata: JsonMap;
  readonly spec: JsonMap;
  readonly status: JsonMap;
}): KubePod["sidecar"] {
  const { metadata, spec, status } = pod;
  const containers = [...mapsIn(spec, "initContainers"), ...mapsIn(spec, "containers")];
  if (containers.some((each) => textIn(each, "name") === sidecarName)) return "has";
  const isWindows = textIn(mapIn(spec, "os") ?? {}, "name") === "windows";
  const isEnding = textIn(metadata, "deletionTimestamp") !== undefined;
  const isFit = isAddressOwn(spec, status) && !isWindows && !isEnding;
  return isFit ? "lacks" : "cannot";
}

function makerOf(metadata: JsonMap, labels: JsonMap): string {
  const owner = mapsIn(metadata, "ownerReferences").find((each) => each["controller"] === true);
  const kind = owner === undefined ? undefined : textIn(owner, "kind");
  const owned = owner === undefined ? undefined : textIn(owner, "name");
  if (owned === undefined || !name.test(owned)) return "";
  if (kind === "StatefulSet" || kind === "DaemonSet") return `${kind}/${owned}`;
  // A ReplicaSet of a Deployment ends with what its pods are labelled with; others cannot be restarted.
  const end = `-${textIn(labels, templateHash) ?? ""}`;
  const isOfDeployment = kind === "ReplicaSet" && end.length > 1 && owned.endsWith(end);
  return isOfDeployment ? `Deployment/${owned.slice(0, -end.length)}` : "";
}

function addressesOf(status: JsonMap): string[] {
  const listed = mapsIn(status, "podIPs").map((each) => textIn(each, "ip"));
  const found = listed.length > 0 ? listed : [textIn(status, "podIP")];
  return found.flatMap((ip) => (ip !== undefined && isIp(ip) ? [canonicalIp(ip)] : [])).slice(0, 2);
}

/** Whether two readings of a pod mean the same; most of its updates are about what nobody here reads. */
export function isSamePod(a: KubePod, b: KubePod): boolean {
  return (
    a.uid === b.uid &&
    a.serviceAccount === b.serviceAccount &&
    a.node === b.node &&
    a.isReady === b.isReady &&
    a.sidecar === b.sidecar &&
    a.injection === b.injection &&
    a.maker === b.maker &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, at) => address === b.addresses[at])
  );
}
