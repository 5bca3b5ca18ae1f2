const bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/**
 * The last numbers of a series as bars of at most `width` characters, the newest at the right. Where
 * there are more numbers than characters, each shows the mean of its share. Nothing is a dot, so that
 * it does not look like a little.
 */
export function sparkline(
  values: readonly number[],
  options: { readonly width: number; readonly most: number },
): string {
  const { width, most } = options;
  const perBar = Math.max(1, Math.ceil(values.length / width));
  const shown: number[] = [];
  for (let to = values.length; to > 0 && shown.length < width; to -= perBar) {
    const part = values.slice(Math.max(0, to - perBar), to);
    shown.unshift(part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  return shown.map((value) => barOf(value, most)).join("");
}

function barOf(value: number, most: number): string {
  if (value <= 0) return "·";
  const index = Math.ceil((value / Math.max(value, most)) * bars.length) - 1;
  return bars[index] ?? bars[0];
}
