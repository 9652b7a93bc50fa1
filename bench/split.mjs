const NEWLINE = 10;

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
