/** Fills in what a pattern's line does not say. What it does say stays as it is, byte for byte. */
import { isUtf8 } from "node:buffer";
import { v7 as uuidv7 } from "uuid";
import { localTimestamp, type Surroundings } from "./surroundings.ts";

/**
 * The line with `pattern_id`, `timestamp` and the surroundings in `context`, each where it is absent; `null` is not
 * absent. A line that is not an object is returned as it came: the daemon says why it is rejected, and keeps it.
 */
export async function completeLine(line: Buffer, about: Surroundings): Promise<Buffer> {
  if (!isUtf8(line)) return line;
  const text = line.toString("utf8");
  const pattern = parseObject(text);
  if (!pattern) return line;
  const { context } = pattern;
  const inner = isObject(context) ? lacking(about, context) : {};
  const outer = {
    ...lacking({ pattern_id: uuidv7(), timestamp: localTimestamp(new Date()) }, pattern),
    ...lacking({ context: about }, pattern),
  };
  let completed = text;
  if (isObject(context) && Object.keys(inner).length > 0) {
    const { valueOffset } = await import("./value-offset.ts");
    completed = inserted(completed, valueOffset(text, "context"), inner, context);
  }
  completed = inserted(completed, text.indexOf("{"), outer, pattern);
  return completed === text ? line : Buffer.from(completed, "utf8");
}

/** `text` with the entries behind the brace at `offset`, which opens `object`. */
function inserted(text: string, offset: number, entries: object, object: object): string {
  const added = JSON.stringify(entries).slice(1, -1);
  if (added === "") return text;
  const comma = Object.keys(object).length > 0 ? "," : "";
  return text.slice(0, offset + 1) + added + comma + text.slice(offset + 1);
}

function lacking(defaults: object, object: object): object {
  return Object.fromEntries(Object.entries(defaults).filter(([key]) => !Object.hasOwn(object, key)));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
