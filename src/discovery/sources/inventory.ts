import type { ServiceId } from "../../mesh/ids.ts";
import type { LocalService } from "../../mesh/service.ts";
import type { SourceChange } from "../source.ts";
import type { ObjectKey } from "./kube-objects.ts";
import { serviceOf } from "./kube-objects.ts";
import type { Manifest, SourcedObject } from "./manifest.ts";
import { duplicateFinding } from "./manifest.ts";
import type { Built } from "./service-build.ts";
import { buildService } from "./service-build.ts";
import type { SourceFinding } from "./source-finding.ts";

/**
 * All objects of one source and the services that come of them. A change costs what the changed
 * services cost, not what the folder holds.
 */
export interface Inventory {
  /** The file's manifest as it stands, the previous one for the next reading of that file. */
  readonly manifestOf: (file: string) => Manifest | undefined;
  readonly files: () => IterableIterator<string>;
  readonly put: (manifest: Manifest) => void;
  readonly remove: (file: string) => void;
  /** What changed in the services since the last call. */
  readonly takeChange: () => SourceChange;
  readonly findings: () => SourceFinding[];
}

const none: ReadonlyMap<ObjectKey, SourcedObject> = new Map();

/** A document that did not change is the very same object, so this is cheap and exact. */
function isSame(a: SourcedObject, b: SourcedObject | undefined): boolean {
  return a.object === b?.object && a.origin.line === b.origin.line;
}

export function createInventory(): Inventory {
  const manifests = new Map<string, Manifest>();
  /** Who defines an object; the first file by name is used. */
  const definers = new Map<ObjectKey, readonly SourcedObject[]>();
  const keysOf = new Map<ServiceId, Set<ObjectKey>>();
  const changed = new Set<ServiceId>();
  const built = new Map<ServiceId, Built>();

  const withdraw = ({ object, origin }: SourcedObject): void => {
    const left = (definers.get(object.key) ?? []).filter(
      (other) => other.origin.file !== origin.file,
    );
    changed.add(serviceOf(object));
    if (left.length > 0) definers.set(object.key, left);
    else {
      definers.delete(object.key);
      keysOf.get(serviceOf(object))?.delete(object.key);
    }
  };

  const add = (found: SourcedObject): void => {
    const { key } = found.object;
    const service = serviceOf(found.object);
    const all = [...(definers.get(key) ?? []), found];
    definers.set(key, all.length === 1 ? all : all.sort(byFile));
    const keys = keysOf.get(service) ?? new Set();
    keysOf.set(service, keys.add(key));
    changed.add(service);
  };

  const rebuild = (
    id: ServiceId,
    change: { upserts: LocalService[]; removed: ServiceId[] },
  ): void => {
    const before = built.get(id);
    const keys = [...(keysOf.get(id) ?? [])].sort();
    const next = build(keys.map((key) => definers.get(key) ?? []));
    if (keys.length === 0) {
      keysOf.delete(id);
      built.delete(id);
    } else built.set(id, next);
    if (next.local !== undefined && next.content !== before?.content)
      change.upserts.push(next.local);
    if (next.local === undefined && before?.local !== undefined) change.removed.push(id);
  };

  return {
    manifestOf: (file) => manifests.get(file),
    files: () => manifests.keys(),
    put(manifest) {
      const before = manifests.get(manifest.file)?.objects ?? none;
      manifests.set(manifest.file, manifest);
      for (const [key, found] of before) {
        if (!isSame(found, manifest.objects.get(key))) withdraw(found);
      }
      for (const [key, found] of manifest.objects) {
        if (!isSame(found, before.get(key))) add(found);
      }
    },
    remove(file) {
      for (const found of manifests.get(file)?.objects.values() ?? []) withdraw(found);
      manifests.delete(file);
    },
    takeChange() {
      const change = { upserts: [], removed: [] };
      for (const id of changed) rebuild(id, change);
      changed.clear();
      return change;
    },
    findings: () => [
      ...[...manifests.values()].flatMap(({ findings }) => findings),
      ...[...built.values()].flatMap(({ findings }) => findings),
    ],
  };
}

function build(definitions: readonly (readonly SourcedObject[])[]): Built {
  const duplicates = definitions.flatMap(([used, ...unused]) =>
    used === undefined ? [] : unused.map((other) => duplicateFinding(other, used)),
  );
  const built = buildService(definitions.flatMap((all) => all.slice(0, 1)));
  return { ...built, findings: [...duplicates, ...built.findings] };
}

function byFile(a: SourcedObject, b: SourcedObject): number {
  if (a.origin.file === b.origin.file) return 0;
  return a.origin.file < b.origin.file ? -1 : 1;
}
