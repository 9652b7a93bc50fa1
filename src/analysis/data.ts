import { isObject } from "../pattern/schema.ts";

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
  const key = wordAt(line, 'data"', 0);
  if (key < 2 || line[key - 2] === "\\" || line.includes("\\u")) return undefined;
  if (wordAt(line, 'data"', key + 1) !== -1) return undefined;
  // Most writers put the context next; else there is nothing to gain.
  const next = wordAt(line, 'context"', key);
  const start = line.indexOf("{", key);
  if (next === -1 || line.slice(key + 'data"'.length, start).trim() !== ":") return undefined;
  return parsed(line.slice(start, line.lastIndexOf("}", next) + 1));
}

/** Where the word stands behind a quote. To look for it with the quote takes twice as long: lines are full of quotes. */
function wordAt(line: string, word: string, from: number): number {
  let at = line.indexOf(word, from);
  while (at !== -1 && line[at - 1] !== '"') at = line.indexOf(word, at + 1);
  return at;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
