/** What points.cjs does in a daemon. */
import { fileURLToPath } from "node:url";

const POINTS = fileURLToPath(new URL("points.cjs", import.meta.url));

export type Plan =
  /** Writes the name of every point that is reached to this file. */
  | { readonly record: string }
  /** Ends the process at the nth time that a point with this name is reached, by thread. */
  | { readonly point: string; readonly nth: number; readonly does: KillKind }
  /** Fails every such call as long as the file `while` is there. `point`: a regular expression. */
  | {
      readonly point: string;
      readonly while: string;
      /** `hang`: does not return so long. */
      readonly does: "EACCES" | "EIO" | "EIO half" | "EMFILE" | "ENOSPC" | "short" | "hang";
    };

export const KILLS = ["kill before", "kill half", "kill after"] as const;
export type KillKind = (typeof KILLS)[number];

export function faulty(plan: Plan): Record<string, string> {
  return { NODE_OPTIONS: `--require ${POINTS}`, FAULT_PLAN: JSON.stringify(plan) };
}

/** A regular expression for one name. */
export function exactly(point: string): string {
  return `^${point.replaceAll(/[.]/g, "\\.")}$`;
}
