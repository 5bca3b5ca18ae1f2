import {
  type Resource,
  type ResourceEdit,
  type ResourceKey,
  type XdsType,
  xdsTypes,
} from "./resource.ts";

export type SetListener = (changed: readonly ResourceKey[]) => void;

/**
 * Makes what somebody looks for and the set does not hold: for resources of which few are ever asked for.
 * May make more than that one; nothing for what there is not.
 */
export type Make = (key: ResourceKey) => readonly Resource[];

type ByName = Map<string, Resource>;

/**
 * A named set of resources that many streams view. One edit is one step: whoever views the set never
 * sees half of it.
 */
export class ResourceSet {
  readonly name: string;
  readonly #byType: Readonly<Record<XdsType, ByName>>;
  readonly #listeners = new Set<SetListener>();

  readonly #make: Make | undefined;

  constructor(name: string, { make }: { readonly make?: Make } = {}) {
    this.name = name;
    this.#make = make;
    this.#byType = {
      cluster: new Map(),
      endpoint: new Map(),
      secret: new Map(),
      listener: new Map(),
      route: new Map(),
    };
  }

  get(type: XdsType, name: string): Resource | undefined {
    const held = this.#byType[type].get(name);
    if (held !== undefined || this.#make === undefined) return held;
    // Nobody is told: for whoever looks it was always there.
    for (const made of this.#make({ type, name })) this.#byType[made.type].set(made.name, made);
    return this.#byType[type].get(name);
  }

  names(type: XdsType): Iterable<string> {
    return this.#byType[type].keys();
  }

  resources(type: XdsType): Iterable<Resource> {
    return this.#byType[type].values();
  }

  count(type: XdsType): number {
    return this.#byType[type].size;
  }

  /** Returns what really changed (versions are compared) after telling the same to the listeners. */
  apply(edit: ResourceEdit): readonly ResourceKey[] {
    const changed: ResourceKey[] = [];
    for (const key of edit.removed) {
      if (this.#byType[key.type].delete(key.name)) changed.push({ type: key.type, name: key.name });
    }
    for (const resource of edit.upserts) {
      const byName = this.#byType[resource.type];
      if (byName.get(resource.name)?.version === resource.version) continue;
      byName.set(resource.name, resource);
      changed.push({ type: resource.type, name: resource.name });
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
    return changed;
  }

  /** What may be there now, if somebody looks for it. */
  announce(keys: readonly ResourceKey[]): void {
    for (const listener of this.#listeners) listener(keys);
  }

  /** Makes the set hold exactly these resources. */
  replace(resources: readonly Resource[]): readonly ResourceKey[] {
    const kept = new Set(resources.map((resource) => `${resource.type} ${resource.name}`));
    const removed = xdsTypes.flatMap((type) =>
      [...this.names(type)]
        .filter((name) => !kept.has(`${type} ${name}`))
        .map((name) => ({ type, name })),
    );
    return this.apply({ upserts: resources, removed });
  }

  /** Calls the listener after each edit that changed something; returns its own cancellation. */
  onChange(listener: SetListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
