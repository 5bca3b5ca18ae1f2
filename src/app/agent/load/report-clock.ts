/**
 * Which second a report counts for. A proxy that reports each second is now and then a millisecond early
 * or late: by arrival alone some seconds would hold two of its reports and others none.
 */
export function reportClock(): { readonly secondOf: (now: number) => number } {
  let last: number | undefined;
  return {
    secondOf: (now) => {
      const next = last === undefined ? now : last + 1;
      // The book takes the second before the present one as well.
      last = next === now || next === now - 1 ? next : now;
      return last;
    },
  };
}
