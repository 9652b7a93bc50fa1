/** Of a pattern's data what has the form that the rules ask for. A line put there by hand may hold anything. */

export function textIn(data: Record<string, unknown>, key: string): string | undefined {
  const value = data[key];
  return typeof value === "string" ? value : undefined;
}

/** A number that is at least 0. */
export function amountIn(data: Record<string, unknown>, key: string): number | undefined {
  const value = data[key];
  return typeof value === "number" && value >= 0 ? value : undefined;
}
