import type { ListWish, ObjectRef, ResourceType } from "./kube-api.ts";

/** `/apis/GROUP/VERSION/namespaces/NS/RESOURCE`; names are never trusted to be one segment. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const { group, version, resource } = type;
  const root = group === "" ? ["api", version] : ["apis", group, version];
  const place = namespace === undefined ? [] : ["namespaces", namespace];
  return `/${[...root, ...place, resource].map(encodeURIComponent).join("/")}`;
}

export function objectPath(type: ResourceType, ref: ObjectRef, subresource?: string): string {
  const path = `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${encodeURIComponent(subresource)}`;
}

export function listPath(type: ResourceType, wish: ListWish): string {
  const query = new URLSearchParams();
  if (wish.labelSelector !== undefined) query.set("labelSelector", wish.labelSelector);
  if (wish.fieldSelector !== undefined) query.set("fieldSelector", wish.fieldSelector);
  if (wish.limit !== undefined) query.set("limit", String(wish.limit));
  if (wish.from !== undefined) query.set("continue", wish.from);
  const path = collectionPath(type, wish.namespace);
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** `leases.coordination.k8s.io "shop/leader"`, for sentences. */
export function objectText(type: ResourceType, ref: Partial<ObjectRef>): string {
  const { group, resource } = type;
  const kind = group === "" ? resource : `${resource}.${group}`;
  const name = [ref.namespace, ref.name].filter((part) => part !== undefined).join("/");
  return name === "" ? kind : `${kind} "${name}"`;
}
