const NEWLINE = 10;
/** So many bytes in a row are one sender's. */
const TURN_BYTES = 16 * 1024;

/**
 * Writes whole lines over the connections, and ends them. They have the lines in turn, and none goes on before the kernel has
 * what the one before it said: senders that live at the same time say what happens then. One alone has one turn.
 *
 * @param {readonly import("node:net").Socket[]} connections
 * @param {Buffer} bytes
 */
export async function sendInTurns(connections, bytes) {
  const turnBytes = connections.length === 1 ? bytes.length : TURN_BYTES;
  for (let from = 0, turn = 0; from < bytes.length; turn += 1) {
    const end = bytes.indexOf(NEWLINE, Math.min(from + turnBytes, bytes.length) - 1) + 1 || bytes.length;
    const lines = bytes.subarray(from, end);
    await new Promise((resolve) => connections[turn % connections.length]?.write(lines, resolve));
    from = end;
  }
  for (const connection of connections) connection.end();
}
