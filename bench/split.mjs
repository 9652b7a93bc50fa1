const NEWLINE = 10;
/** So many bytes in a row are one sender's. */
const TURN_BYTES = 16 * 1024;

/**
 * @param {Buffer} bytes whole lines
 * @param {number} count
 * @returns {Buffer[]} as many parts of whole lines, about equally long
 */
export function split(bytes, count) {
  const ends = Array.from({ length: count }, (_, index) => {
    const about = Math.max(0, Math.floor((bytes.length * (index + 1)) / count) - 1);
    return bytes.indexOf(NEWLINE, about) + 1;
  });
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/**
 * The turns in which so many senders say the lines: the first one's first, the second one's first, and so on. One alone has
 * one turn.
 *
 * @param {Buffer} bytes whole lines
 * @param {number} count
 * @returns {Buffer[]}
 */
export function turnsOf(bytes, count) {
  if (count === 1) return [bytes];
  /** @type {Buffer[]} */
  const turns = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, Math.min(from + TURN_BYTES, bytes.length) - 1) + 1 || bytes.length;
    turns.push(bytes.subarray(from, end));
    from = end;
  }
  return turns;
}
