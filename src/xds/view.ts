import type { Resource, ResourceKey, XdsType } from "./resource.ts";
import type { ResourceSet } from "./resource-set.ts";

/** What one proxy may see: a list of shared sets; the first set that holds a name wins. */
export interface View {
  readonly sets: readonly ResourceSet[];
  /** A scope that narrows the sets. Must not change its mind: a new scope is a new stream. */
  readonly isInScope?: (key: ResourceKey) => boolean;
  /**
   * Whether this agent already knows all it will know about the resource. While it does not, nothing
   * that the proxy brought along from an earlier stream is removed or replaced by a poorer version.
   */
  readonly isSettled?: (key: ResourceKey) => boolean;
}

export function viewed(view: View, key: ResourceKey): Resource | undefined {
  if (view.isInScope?.(key) === false) return undefined;
  for (const set of view.sets) {
    const resource = set.get(key.type, key.name);
    if (resource !== undefined) return resource;
  }
  return undefined;
}

/** Every visible resource of a type once, in the order of the sets. */
export function* viewedAll(view: View, type: XdsType): Generator<Resource> {
  for (const [index, set] of view.sets.entries()) {
    for (const resource of set.resources(type)) {
      const isShadowed = view.sets
        .slice(0, index)
        .some((earlier) => earlier.get(type, resource.name));
      if (!isShadowed && view.isInScope?.(resource) !== false) yield resource;
    }
  }
}
