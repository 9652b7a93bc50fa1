import { messageOf, systemCode } from "../../errors.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import { NotStorable } from "../backend.ts";
import { dayFolder, dayOf, segmentPath } from "./layout.ts";

/** Something stands in the way of a pattern's file, and trying again will not move it. */
const REFUSALS = new Set(["EISDIR", "ENOTDIR", "ELOOP", "ENAMETOOLONG"]);

/** What the system refuses for good is a pattern's fault, not the machinery's. */
export function refusing<T>(patterns: readonly Pattern[], write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (!REFUSALS.has(systemCode(cause) ?? "")) throw cause;
    throw new NotStorable(messageOf(cause), { cause, ...refusedOf(patterns, cause) });
  }
}

/** The first pattern in whose way something stands: the system names the file or the folder, and that is a day's. */
function refusedOf(patterns: readonly Pattern[], cause: unknown): { readonly index?: number } {
  if (patterns.length === 1) return { index: 0 };
  const path = cause instanceof Error && "path" in cause ? String(cause.path) : "";
  const index = patterns.findIndex(({ instant, type }) => {
    const day = dayOf(instant);
    const places = [dayFolder(day), segmentPath("", day, { type, compressed: false })];
    return places.some((place) => path.endsWith(`/${place}`));
  });
  return index === -1 ? {} : { index };
}
