/** A steady load on a daemon, and how long each part of it waits for its acknowledgement. */
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const TICK_MS = 10;
/** To be replaced by a random one, as those of agents are: in an index each has its place on another page. */
export const ID = /"pattern_id":"[^"]*"/;

/**
 * @param {string} ingest socket
 * @param {readonly string[]} lines sent over and over, each time with ids of their own
 * @param {number} rate lines a second
 * @returns {Promise<{ latencies: (from: number, to: number) => number[], stop: () => Promise<number> }>}
 *   `latencies`: milliseconds, of what was sent between two moments of performance.now(); `stop` resolves to how many
 *   lines were acknowledged
 */
export async function startLoad(ingest, lines, rate) {
  const socket = connect(ingest);
  const replies = createInterface(socket)[Symbol.asyncIterator]();
  socket.write('{"hello":1,"ack":true}\n');
  await replies.next();
  /** @type {{ last: number, at: number }[]} */
  const waiting = [];
  /** @type {{ at: number, ms: number }[]} */
  const done = [];
  let sent = 0;
  let acked = 0;
  let began = performance.now();
  const reading = (async () => {
    for (let reply = await replies.next(); !reply.done; reply = await replies.next()) {
      const { ack, reject } = JSON.parse(reply.value);
      if (reject) throw new Error(`a line was rejected: ${reply.value}`);
      const now = performance.now();
      acked = ack ?? acked;
      while (waiting[0] && waiting[0].last <= acked) {
        const { at } = waiting.shift();
        done.push({ at, ms: now - at });
      }
    }
  })();
  const timer = setInterval(() => {
    const now = performance.now();
    const wanted = Math.floor(((now - began) / 1000) * rate) - sent;
    if (wanted <= 0) return;
    let text = "";
    for (let n = 0; n < wanted; n += 1, sent += 1) {
      text += `${lines[sent % lines.length].replace(ID, `"pattern_id":"${randomUUID()}"`)}\n`;
    }
    socket.write(text);
    waiting.push({ last: sent, at: now });
  }, TICK_MS);
  began = performance.now();
  return {
    latencies: (from, to) => done.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms),
    async stop() {
      clearInterval(timer);
      socket.end();
      await reading;
      return acked;
    },
  };
}
