import { type Frame, LineFramer, type SingleFrame, singleFrames } from "./framing.ts";
import { UnfinishedBudget } from "./unfinished.ts";

export interface NumberedFrame {
  /** Counted from 1, blank lines too: as an editor counts. */
  readonly number: number;
  readonly frame: SingleFrame;
}

/** The lines that each chunk completes, and at last what had no newline. */
export async function* numberedFrames(
  input: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<NumberedFrame[]> {
  const framer = new LineFramer({ maxLineBytes, budget: new UnfinishedBudget(2 * maxLineBytes) });
  let number = 1;
  const numbered = (frames: Frame[]) => Array.from(singleFrames(frames), (frame) => ({ number, frame }));
  for await (const chunk of input) {
    const lines: NumberedFrame[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      lines.push(...numbered(framer.push(chunk.subarray(start, end + 1))));
      number += 1;
      start = end + 1;
    }
    framer.push(chunk.subarray(start));
    yield lines;
  }
  yield numbered(framer.end());
}
