import { canonicalIp, isIp } from "../../../mesh/address.ts";
import type { JsonMap } from "./json-map.ts";
import { mapIn, mapsIn, textIn } from "./json-map.ts";

// The webhook's and `isthmus inject`'s own words: `src/app/install/inject/words.ts`.
const injectedAnnotation = "isthmus.dev/injected";
const injectLabel = "isthmus.dev/inject";

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
  /** It was given a sidecar. */
  readonly isInjected: boolean;
  /** What its label says of that, `enabled`; empty: its namespace decides. */
  readonly injection: string;
}

const name = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads a `v1` Pod as the API server writes it; undefined for what is none. Never throws. */
export function readPod(key: string, object: JsonMap): KubePod | undefined {
  const metadata = mapIn(object, "metadata");
  const spec = mapIn(object, "spec");
  const uid = metadata === undefined ? undefined : textIn(metadata, "uid");
  if (metadata === undefined || spec === undefined || uid === undefined) return undefined;
  const status = mapIn(object, "status") ?? {};
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
    isInjected: textIn(mapIn(metadata, "annotations") ?? {}, injectedAnnotation) !== undefined,
    injection: textIn(mapIn(metadata, "labels") ?? {}, injectLabel) ?? "",
  };
}

/** The address of a pod on its node's network is everybody's there; that of an ended pod is given away. */
function isAddressOwn(spec: JsonMap, status: JsonMap): boolean {
  if (spec["hostNetwork"] === true) return false;
  return !["Succeeded", "Failed"].includes(textIn(status, "phase") ?? "");
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
    a.isInjected === b.isInjected &&
    a.injection === b.injection &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, at) => address === b.addresses[at])
  );
}
