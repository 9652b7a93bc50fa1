import { isObject } from "../pattern/schema.ts";

const KEY = '"data"';

/**
 * A stored line's `data`; undefined if the line can't be read.
 *
 * A third of the time goes into parsing the rest, so that is left out where it is safe. Without `\u` a key stands in the
 * line as it is written here; what stands there once, opened by a quote that no backslash precedes, is the required key
 * itself and no nested or second one. And the text from its brace is its value if, and only if, JSON.parse takes it.
 */
export function dataOf(line: string): Record<string, unknown> | undefined {
  const data = dataAlone(line);
  if (data) return data;
  const pattern = parsed(line);
  return pattern && isObject(pattern.data) ? pattern.data : undefined;
}

function dataAlone(line: string): Record<string, unknown> | undefined {
  const key = line.indexOf(KEY);
  if (key < 1 || line[key - 1] === "\\" || line.includes(KEY, key + 1) || line.includes("\\u"))
    return undefined;
  const start = line.indexOf("{", key + KEY.length);
  // Most writers put the context next; else there is nothing to gain.
  const next = line.indexOf('"context"', start);
  const end = next === -1 ? -1 : line.lastIndexOf("}", next);
  if (start === -1 || end < start || line.slice(key + KEY.length, start).trim() !== ":") return undefined;
  return parsed(line.slice(start, end + 1));
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
