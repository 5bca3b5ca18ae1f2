/**
 * Records in memory of their own. As they come from a hub they are windows into what was read from its
 * connection, 64 kB at a time, which would live as long as any record in it.
 */
export function ownCopies(
  records: Iterable<readonly [string, Uint8Array]>,
): readonly (readonly [string, Uint8Array])[] {
  const all = [...records];
  const memory = Buffer.allocUnsafeSlow(all.reduce((sum, [, bytes]) => sum + bytes.length, 0));
  let at = 0;
  return all.map(([key, bytes]) => {
    const start = at;
    at += bytes.length;
    memory.set(bytes, start);
    return [key, memory.subarray(start, at)] as const;
  });
}
