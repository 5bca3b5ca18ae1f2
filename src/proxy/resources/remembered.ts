/**
 * Builds anew only when asked for another key than the last time: a mesh has one bundle and one timeout at
 * a time, and the targets of a service follow each other.
 */
export function remembered<Key, Part>(build: (key: Key) => Part): (key: Key) => Part {
  let last: { readonly key: Key; readonly part: Part } | undefined;
  return (key) => {
    if (last === undefined || last.key !== key) last = { key, part: build(key) };
    return last.part;
  };
}
