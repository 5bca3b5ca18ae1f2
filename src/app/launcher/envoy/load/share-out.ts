/**
 * Shares a whole number out in proportion to weights, in whole numbers with the right sum. No share is
 * greater than its weight as long as the total is not greater than theirs; all are 0 without any weight.
 */
export function shareOut(total: number, weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  let before = 0;
  let given = 0;
  return weights.map((weight) => {
    before += weight;
    const upTo = sum === 0 ? 0 : Math.round((total * before) / sum);
    const share = upTo - given;
    given = upTo;
    return share;
  });
}

/** Moves at most `count` of the fastest from one histogram to another; returns how many there were. */
export function moveFastest(
  from: Float64Array,
  to: { readonly row: Float64Array; readonly at: number; readonly count: number },
): number {
  let left = to.count;
  for (let bucket = 0; bucket < from.length && left > 0; bucket += 1) {
    const moved = Math.min(left, from[bucket] ?? 0);
    from[bucket] = (from[bucket] ?? 0) - moved;
    to.row[to.at + bucket] = (to.row[to.at + bucket] ?? 0) + moved;
    left -= moved;
  }
  return to.count - left;
}
