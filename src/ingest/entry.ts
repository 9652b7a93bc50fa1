import type { RejectedLine } from "../pattern/rejection.ts";
import type { Entry } from "../pattern/settlement.ts";
import type { Frame, OversizedLine } from "./framing.ts";

/** Framed lines as the queue takes them. */
export function entryOf(frame: Frame, maxLineBytes: number): Entry {
  return frame.kind === "lines" ? frame : { kind: "rejected", line: oversized(frame, maxLineBytes) };
}

function oversized({ code, head, length, sha256 }: OversizedLine, maxLineBytes: number): RejectedLine {
  const message =
    code === "line_too_long"
      ? `expected at most ${maxLineBytes} bytes, got ${length}`
      : `a line of ${length} bytes came while unfinished lines filled the shared ingest.unfinishedBytes: send it again`;
  return { rejection: { code, message }, bytes: head, whole: { length, sha256 } };
}
