import type { Finding } from "../../finding.ts";
import type { Place } from "../replaced.ts";

/** What a repair does about a fault; undefined where it leaves it alone. */
export type Remedy =
  | { readonly does: "set mode"; readonly mode: number }
  | { readonly does: "move aside" }
  | { readonly does: "cut tail" }
  /** `text`: of the mark's line, without newline. */
  | { readonly does: "drop marks"; readonly day: number; readonly texts: readonly string[] }
  /** `to`: where the line belongs, if it is a pattern of another segment's. */
  | { readonly does: "leave out"; readonly place: Place; readonly to?: { day: number; type: string } }
  | { readonly does: "rewrite"; readonly day: number; readonly type: string }
  | { readonly does: "index anew" }
  /** Of forgotten ids, what is none. */
  | { readonly does: "drop hashes" }
  /** Opening the store for writing does it. */
  | { readonly does: "open" };

export interface Fault extends Finding {
  readonly remedy: Remedy | undefined;
  /** A crash leaves it, and every opening settles it; beside a writer it is work that is being done. */
  readonly settles: boolean;
}

/** `remedy`: see Remedy; nothing says that there is none. */
export function fault(
  finding: Finding,
  { remedy, settles = false }: { readonly remedy?: Remedy; readonly settles?: boolean } = {},
): Fault {
  return { ...finding, remedy, settles };
}

/** What was said of a fault, without what is done about it. */
export function findingOf({ kind, file, line, byte, found }: Fault): Finding {
  return { kind, file, line, byte, found };
}
