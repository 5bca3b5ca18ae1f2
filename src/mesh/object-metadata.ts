/** Labels or annotations of a Kubernetes object. */
export type ObjectMetadata = Readonly<Record<string, string>>;

const part = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?";
const domain = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*";
const keyShape = new RegExp(`^(?:(?=[^/]{1,253}/)${domain}/)?${part}$`);
const labelShape = new RegExp(`^(?:${part})?$`);

/** More of either belongs into an object of its own. */
export const maxMetadataEntries = 64;
// A record of the catalog carries all of them to every member.
const maxAnnotationChars = 4096;

/** Whether Kubernetes takes this as a label. Source: Kubernetes, labels and selectors. */
export function isLabel(key: string, value: unknown): boolean {
  return isKey(key) && typeof value === "string" && labelShape.test(value);
}

/** Whether Kubernetes takes this as an annotation, and it is short enough to be told to every member. */
export function isAnnotation(key: string, value: unknown): boolean {
  return isKey(key) && typeof value === "string" && value.length <= maxAnnotationChars;
}

function isKey(key: string): boolean {
  return key.length <= 317 && keyShape.test(key);
}

/** Sorted by key, so that the same entries are the same text; undefined when there are none. */
export function sortedMetadata(
  entries: Iterable<readonly [string, string]>,
): ObjectMetadata | undefined {
  const sorted = [...entries].sort(([left], [right]) => (left < right ? -1 : 1));
  return sorted.length === 0 ? undefined : Object.fromEntries(sorted);
}
