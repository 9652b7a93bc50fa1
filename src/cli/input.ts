import { PassThrough, pipeline } from "node:stream";

/** Most bytes that wait here while the lines before them are worked on. */
const READ_AHEAD_BYTES = 4 * 1024 * 1024;

/**
 * Standard input in growing chunks: a reader that is quick gets each write of the other side at once, a busy one
 * everything that came meanwhile.
 */
export function standardInput(): AsyncIterable<Buffer> {
  const ahead = new PassThrough({ highWaterMark: READ_AHEAD_BYTES });
  // A failure to read reaches whoever reads `ahead`.
  pipeline(process.stdin, ahead, () => {});
  return ahead;
}
