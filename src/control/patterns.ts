/** `GET /v1/patterns`: one page with its cursor in a header, or, however long it is, as a stream. */
import type { Context } from "hono";
import { Zone } from "../pattern/zone.ts";
import type { Backend, PageRequest, Position } from "../store/backend.ts";
import { PAGE_BYTES } from "../store/backend.ts";
import type { Filter } from "../store/filter.ts";
import { PIECE_BYTES, piecesOf } from "../store/pieces.ts";
import { encodeCursor, MAX_PAGE_LIMIT, parseQuery, REPEATABLE } from "../store/query.ts";
import { NDJSON, streamed } from "./outgoing.ts";
import { parametersOf } from "./parameters.ts";

const CURSOR = "patternd-next";

type Store = Pick<Backend, "query">;

export async function patterns(
  c: Context,
  store: Store,
  onFailed: (error: unknown) => void,
): Promise<Response> {
  const { filter, page } = parseQuery(parametersOf(c, REPEATABLE), Zone.host(), Number.MAX_SAFE_INTEGER);
  if (page.limit <= MAX_PAGE_LIMIT && !takesTrailers(c)) return wholePage(c, store, filter, page);
  const pieces = piecesOf(store, filter, page);
  // What is wrong with the question or the store is mostly seen here, while there is a status to say it with.
  const first = await pieces.next();
  const content = async function* () {
    if (!first.done) yield first.value;
    yield* pieces;
  };
  return streamed(
    c,
    { "content-type": NDJSON, trailer: CURSOR },
    async (write) => {
      let next: Position | undefined;
      for await (const piece of content()) {
        next = piece.next;
        if (!(await write(textOf(piece.lines)))) return {};
      }
      return cursorOf(next);
    },
    onFailed,
  );
}

async function wholePage(c: Context, store: Store, filter: Filter, page: PageRequest): Promise<Response> {
  const texts: string[] = [];
  let bytes = 0;
  let next: Position | undefined;
  for await (const piece of piecesOf(store, filter, page)) {
    const text = textOf(piece.lines);
    texts.push(text);
    bytes += Buffer.byteLength(text);
    next = piece.next;
    const hasGone = c.req.raw.signal.aborted;
    if (hasGone || bytes > PAGE_BYTES - PIECE_BYTES) break;
  }
  return c.body(texts.join(""), 200, { "content-type": NDJSON, ...cursorOf(next) });
}

/** A client that says so (RFC 9110, 10.1.4) gets the cursor behind the lines. */
function takesTrailers(c: Context): boolean {
  return /(^|,)\s*trailers\s*(,|;|$)/i.test(c.req.header("te") ?? "");
}

function cursorOf(next: Position | undefined): Record<string, string> {
  return next ? { [CURSOR]: encodeCursor(next) } : {};
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
