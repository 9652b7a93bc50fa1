/** `GET /v1/tail`: the newest patterns, oldest of them first, and then each as it is stored, until the reader goes. */
import type { Context } from "hono";
import { Zone } from "../pattern/zone.ts";
import type { Backend } from "../store/backend.ts";
import type { Filter } from "../store/filter.ts";
import { piecesOf } from "../store/pieces.ts";
import { parseTail, REPEATABLE } from "../store/query.ts";
import type { Follower, Followers } from "./followers.ts";
import { NDJSON, streamed, type Write } from "./outgoing.ts";
import { parametersOf } from "./parameters.ts";

/** Of the newest patterns that one reader begins with. */
const NEWEST_BYTES = 1024 * 1024;

export interface TailParts {
  readonly store: Pick<Backend, "query">;
  readonly followers: Followers;
  readonly onFailed: (error: unknown) => void;
}

export async function tail(c: Context, { store, followers, onFailed }: TailParts): Promise<Response> {
  const { filter, newest } = parseTail(parametersOf(c, REPEATABLE), Zone.host());
  // From before the question on: between it and what comes nothing is lost.
  const follower = followers.follow(filter);
  try {
    const lines = newest === 0 ? [] : await newestOf(store, filter, newest);
    const content = async (write: Write, gone: AbortSignal) => {
      gone.addEventListener("abort", () => follower.end());
      try {
        await follow(lines, follower, write);
      } finally {
        follower.end();
      }
      return {};
    };
    return streamed(c, { "content-type": NDJSON }, content, onFailed);
  } catch (error) {
    follower.end();
    throw error;
  } finally {
    if (c.req.method === "HEAD") follower.end();
  }
}

async function newestOf(store: Pick<Backend, "query">, filter: Filter, limit: number): Promise<string[]> {
  const lines: string[] = [];
  let bytes = 0;
  for await (const piece of piecesOf(store, filter, { limit })) {
    lines.push(...piece.lines);
    bytes += piece.lines.reduce((sum, line) => sum + line.length, 0);
    if (bytes > NEWEST_BYTES) break;
  }
  return lines.reverse();
}

async function follow(newest: readonly string[], follower: Follower, write: Write): Promise<void> {
  // What was stored while the newest were asked for is among both.
  const shown = new Set(newest);
  let isThere = await write(newest.map((line) => `${line}\n`).join(""));
  while (isThere) {
    const { lines, missed } = await follower.take();
    const fresh = shown.size === 0 ? lines : lines.filter((line) => !shown.delete(line));
    const note = missed > 0 ? `${JSON.stringify({ missed })}\n` : "";
    isThere = await write(fresh.map((line) => `${line}\n`).join("") + note);
  }
}
