/** Senders and readers of a daemon, by nothing but its sockets. */
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const receipt = v.strictObject({ lines: count, stored: count, rejected: count, not_collected: count });
export type Receipt = v.InferOutput<typeof receipt>;

const reject = v.strictObject({
  line: count,
  code: v.string(),
  path: v.optional(v.string()),
  message: v.string(),
  pattern_id: v.optional(v.string()),
});
const reply = v.union([v.strictObject({ receipt }), v.strictObject({ reject })]);

const lineCounts = v.strictObject({
  received: count,
  from_outbox: count,
  replayed: count,
  spooled_at_start: count,
  stored: count,
  replaced: count,
  superseded: count,
  rejected: count,
  not_collected: count,
  spooled: count,
  damaged: count,
  in_flight: count,
  rejected_by_code: v.record(v.string(), count),
});
export type LineCounts = v.InferOutput<typeof lineCounts>;
const health = v.looseObject({
  status: v.string(),
  reasons: v.array(v.string()),
  connections: count,
  lines: lineCounts,
  spool: v.strictObject({ lines: count, bytes: count }),
});
export type Health = v.InferOutput<typeof health>;

/** What came in, and what became of it: the same number in every snapshot. */
export function balance(lines: Omit<LineCounts, "in_flight">, open: number): { came: number; went: number } {
  const { stored, replaced, superseded, rejected, not_collected, spooled, damaged } = lines;
  return {
    came: lines.received + lines.from_outbox + lines.replayed + lines.spooled_at_start,
    went: stored + replaced + superseded + rejected + not_collected + spooled + damaged + open,
  };
}

export interface Replies {
  readonly rejects: readonly v.InferOutput<typeof reject>[];
  readonly receipt: Receipt;
}

/** What the daemon wrote to a sender: rejections, then exactly one receipt as the last line. */
export function readReplies(answer: string): Replies {
  if (!answer.endsWith("\n")) throw new Error(`expected whole lines, got ${JSON.stringify(answer)}`);
  const replies = answer
    .slice(0, -1)
    .split("\n")
    .map((line) => v.parse(reply, JSON.parse(line)));
  const last = replies.pop();
  if (!last || !("receipt" in last)) throw new Error(`expected a receipt at the end of ${answer}`);
  const rejects = replies.map((entry) => {
    if ("receipt" in entry) throw new Error(`expected one receipt, got ${answer}`);
    return entry.reject;
  });
  return { rejects, receipt: last.receipt };
}

/** Sends the pieces one write each, half-closes, and reads to the end. */
export async function send(socket: string, pieces: Iterable<string | Uint8Array>): Promise<Replies> {
  const connection = connect(socket);
  const [answer] = await Promise.all([text(connection), pipeline(Readable.from(pieces), connection)]);
  return readReplies(answer);
}

/** Connects, writes, closes at once, and listens to nobody. */
export function throwLine(path: string, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const thrower = connect(path);
    thrower.once("error", reject);
    thrower.write(`${line}\n`, () => thrower.destroy());
    thrower.once("close", () => resolve());
  });
}

export function lines(...contents: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(contents.flatMap((content) => [Buffer.from(content), Buffer.from("\n")]));
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One HTTP request over a Unix socket. */
export async function ask(socketPath: string, path: string, method = "GET"): Promise<Answer> {
  const asked = request({ socketPath, path, method }).end();
  const [response] = await once(asked, "response");
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

export async function askHealth(query: string): Promise<Health> {
  return v.parse(health, JSON.parse((await ask(query, "/health")).body));
}

/** The stored line, or undefined if there is none. */
export async function askPattern(query: string, id: string): Promise<string | undefined> {
  const { status, body } = await ask(query, `/v1/patterns/${encodeURIComponent(id)}`);
  if (status === 404) return undefined;
  if (status !== 200 || !body.endsWith("\n")) throw new Error(`expected a line, got ${status} ${body}`);
  return body.slice(0, -1);
}

/** All stored lines in the order of the answers, page by page; or those of which `filter` is true, as `tags=a&type=b`. */
export async function askAll(query: string, limit: number, filter = ""): Promise<string[]> {
  const all: string[] = [];
  let cursor = "";
  do {
    const { status, headers, body } = await ask(query, `/v1/patterns?limit=${limit}&${filter}${cursor}`);
    if (status !== 200) throw new Error(`expected a page, got ${status} ${body}`);
    const page = body.split("\n").slice(0, -1);
    if (page.length > limit) throw new Error(`expected at most ${limit} lines, got ${page.length}`);
    all.push(...page);
    const next = headers["patternd-next"];
    cursor = next === undefined ? "" : `&cursor=${encodeURIComponent(String(next))}`;
  } while (cursor !== "");
  return all;
}
