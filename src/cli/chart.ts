/** Small charts of block characters, which stand in a table's cell. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS = "▁▂▃▄▅▆▇█";

/** `share` from 0 to 1, of so many columns; padded to them. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * columns * 8);
  return `${"█".repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8]}`.padEnd(columns);
}

/** One column a value, or fewer: the oldest first, as high as its share of the largest; none at all is blank. */
export function sparkline(values: readonly number[], columns: number): string {
  const parts = values.length > columns ? merged(values, Math.ceil(values.length / columns)) : values;
  const most = Math.max(...parts, 1);
  return parts
    .map((value) => (value === 0 ? " " : LEVELS[Math.ceil((value / most) * LEVELS.length) - 1]))
    .join("");
}

/** So many values as one, from the newest back: the oldest part may be of fewer. */
function merged(values: readonly number[], each: number): number[] {
  const parts = Array<number>(Math.ceil(values.length / each)).fill(0);
  for (const [index, value] of values.entries()) {
    const part = parts.length - 1 - Math.floor((values.length - 1 - index) / each);
    parts[part] = (parts[part] ?? 0) + value;
  }
  return parts;
}
