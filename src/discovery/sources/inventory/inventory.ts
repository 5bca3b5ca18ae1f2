import type { ServiceId } from "../../../mesh/ids.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { SourceChange } from "../../source.ts";
import type { Manifest, SourcedObject } from "../manifests/manifest.ts";
import { duplicateFinding } from "../manifests/manifest.ts";
import type { KubeObject, ObjectKey, ServicePart, WholeObject } from "../objects/kube-objects.ts";
import { isServicePart, serviceOf } from "../objects/kube-objects.ts";
import type { SourceFinding } from "../source-finding.ts";
import type { Built } from "./service-build.ts";
import { buildService } from "./service-build.ts";

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
  /** What changed in services and policies since the last call. */
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
  /** Of what is handed over as it is. */
  const wholeKeys = {
    "import-policy": new Set<ObjectKey>(),
    "workload-group": new Set<ObjectKey>(),
  };
  const changedWholes = new Set<WholeObject["t"]>();
  const changed = new Set<ServiceId>();
  const built = new Map<ServiceId, Built>();

  /** The keys of all objects that are built together with this one. */
  const touch = (object: KubeObject): Set<ObjectKey> => {
    if (!isServicePart(object)) {
      changedWholes.add(object.t);
      return wholeKeys[object.t];
    }
    const service = serviceOf(object);
    changed.add(service);
    const keys = keysOf.get(service) ?? new Set();
    keysOf.set(service, keys);
    return keys;
  };

  const withdraw = ({ object, origin }: SourcedObject): void => {
    const left = (definers.get(object.key) ?? []).filter(
      (other) => other.origin.file !== origin.file,
    );
    const keys = touch(object);
    if (left.length > 0) definers.set(object.key, left);
    else {
      definers.delete(object.key);
      keys.delete(object.key);
    }
  };

  const add = (found: SourcedObject): void => {
    const { key } = found.object;
    const all = [...(definers.get(key) ?? []), found];
    definers.set(key, all.length === 1 ? all : all.sort(byFile));
    touch(found.object).add(key);
  };

  /** Who defines each of them, in the order of their keys. */
  const definitionsOf = (
    keys: Iterable<ObjectKey> | undefined,
  ): readonly (readonly SourcedObject[])[] =>
    [...(keys ?? [])].sort().map((key) => definers.get(key) ?? []);

  const rebuild = (
    id: ServiceId,
    change: { upserts: LocalService[]; removed: ServiceId[] },
  ): void => {
    const before = built.get(id);
    const definitions = definitionsOf(keysOf.get(id));
    const next = build(definitions);
    if (definitions.length === 0) {
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
      const wholes = [...changedWholes].map((kind) => usedOf(definitionsOf(wholeKeys[kind]), kind));
      changedWholes.clear();
      return Object.assign(change, ...wholes) as SourceChange;
    },
    findings: () => [
      ...[...manifests.values()].flatMap(({ findings }) => findings),
      ...[...built.values()].flatMap(({ findings }) => findings),
      ...Object.values(wholeKeys).flatMap((keys) => duplicatesIn(definitionsOf(keys))),
    ],
  };
}

function build(definitions: readonly (readonly SourcedObject[])[]): Built {
  const built = buildService(definitions.flatMap((all) => all.slice(0, 1).filter(isPart)));
  return { ...built, findings: [...duplicatesIn(definitions), ...built.findings] };
}

function isPart(found: SourcedObject): found is SourcedObject<ServicePart> {
  return isServicePart(found.object);
}

function duplicatesIn(definitions: readonly (readonly SourcedObject[])[]): SourceFinding[] {
  return definitions.flatMap(([used, ...unused]) =>
    used === undefined ? [] : unused.map((other) => duplicateFinding(other, used)),
  );
}

/** All of one kind, each as its first definition has it. */
function usedOf(
  definitions: readonly (readonly SourcedObject[])[],
  kind: WholeObject["t"],
): Pick<SourceChange, "policies" | "groups"> {
  const used = definitions.flatMap(([first]) => (first === undefined ? [] : [first.object]));
  return kind === "import-policy"
    ? { policies: used.flatMap((one) => (one.t === kind ? [one.policy] : [])) }
    : { groups: used.flatMap((one) => (one.t === kind ? [one.group] : [])) };
}

function byFile(a: SourcedObject, b: SourcedObject): number {
  if (a.origin.file === b.origin.file) return 0;
  return a.origin.file < b.origin.file ? -1 : 1;
}
