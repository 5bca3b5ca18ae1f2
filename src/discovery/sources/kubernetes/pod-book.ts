import { createBarePods } from "./bare-pods.ts";
import type { KubeNamespace } from "./nodes.ts";
import type { KubePod } from "./pods.ts";
import { isSamePod } from "./pods.ts";

/** Every pod that is known, by what others call it. */
export interface PodBook {
  /** Returns whether that is news. */
  readonly put: (pod: KubePod) => boolean;
  readonly remove: (key: string) => void;
  readonly byKey: (key: string) => KubePod | undefined;
  readonly byUid: (uid: string) => KubePod | undefined;
  /** The one pod that has this canonical address; undefined also while two claim it. */
  readonly byAddress: (address: string) => KubePod | undefined;
  readonly all: () => Iterable<KubePod>;
  /** Those that are to have a sidecar, by their own label or their namespace's, and were made without. */
  readonly uninjected: (namespaces: ReadonlyMap<string, KubeNamespace>) => Iterable<KubePod>;
}

export function createPodBook(): PodBook {
  const pods = new Map<string, KubePod>();
  const uids = new Map<string, string>();
  const bare = createBarePods();
  // Nearly always one; an array for each of 100,000 pods would cost more than the pods' own texts.
  const owners = new Map<string, string | readonly string[]>();

  const ownersOf = (address: string): readonly string[] => {
    const known = owners.get(address) ?? [];
    return typeof known === "string" ? [known] : known;
  };
  const setOwners = (address: string, keys: readonly string[]): void => {
    const [only, ...others] = keys;
    if (only === undefined) owners.delete(address);
    else owners.set(address, others.length === 0 ? only : keys);
  };
  const remove = (key: string): void => {
    const pod = pods.get(key);
    if (pod === undefined) return;
    pods.delete(key);
    bare.delete(pod);
    if (uids.get(pod.uid) === key) uids.delete(pod.uid);
    for (const address of pod.addresses) {
      setOwners(
        address,
        ownersOf(address).filter((owner) => owner !== key),
      );
    }
  };
  return {
    put(pod) {
      const before = pods.get(pod.key);
      if (before !== undefined && isSamePod(before, pod)) return false;
      remove(pod.key);
      pods.set(pod.key, pod);
      bare.add(pod);
      uids.set(pod.uid, pod.key);
      for (const address of pod.addresses) setOwners(address, [...ownersOf(address), pod.key]);
      return true;
    },
    remove,
    byKey: (key) => pods.get(key),
    byUid: (uid) => pods.get(uids.get(uid) ?? ""),
    byAddress: (address) => {
      const [owner, ...others] = ownersOf(address);
      return others.length > 0 ? undefined : pods.get(owner ?? "");
    },
    all: () => pods.values(),
    uninjected: bare.wanted,
  };
}
