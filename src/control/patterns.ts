/** `GET /v1/patterns`: one page with its cursor in a header, or, however long it is, as a stream. */
import type { Context } from "hono";
import { Zone } from "../pattern/zone.ts";
import type { Backend, PageRequest, Position } from "../store/backend.ts";
import { PAGE_BYTES } from "../store/backend.ts";
import type { Filter } from "../store/filter.ts";
import { PIECE_BYTES, piecesOf } from "../store/pieces.ts";
import { encodeCursor, MAX_PAGE_LIMIT, parseQuery, REPEATABLE } from "../store/query.ts";
import type { HeldPages } from "./held-pages.ts";
import { NDJSON, outgoingOf, streamed } from "./outgoing.ts";
import { parametersOf } from "./parameters.ts";

const CURSOR = "patternd-next";
/** A page that may grow beyond this and one piece more needs room; smaller ones are bounded by the connections. */
const SMALL_BYTES = PIECE_BYTES / 2;

export interface PatternsParts {
  readonly store: Pick<Backend, "query">;
  readonly pages: HeldPages;
  readonly onFailed: (error: unknown) => void;
}

export async function patterns(c: Context, parts: PatternsParts): Promise<Response> {
  const { store, onFailed } = parts;
  const { filter, page } = parseQuery(parametersOf(c, REPEATABLE), Zone.host(), Number.MAX_SAFE_INTEGER);
  if (page.limit <= MAX_PAGE_LIMIT && !takesTrailers(c)) return wholePage(c, parts, filter, page);
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

async function wholePage(
  c: Context,
  { store, pages }: PatternsParts,
  filter: Filter,
  { limit, after }: PageRequest,
): Promise<Response> {
  const outgoing = outgoingOf(c);
  const gone = c.req.raw.signal;
  const more = (page: Gathered, bytes: number) => gather(store, filter, page, bytes, gone);
  let page = await more({ texts: [], bytes: 0, left: limit, next: after }, SMALL_BYTES);
  if (page.left > 0 && page.next) {
    await pages.room(outgoing, gone);
    page = await more(page, PAGE_BYTES - PIECE_BYTES);
    pages.sent(outgoing);
  }
  return c.body(Buffer.concat(page.texts), 200, { "content-type": NDJSON, ...cursorOf(page.next) });
}

/** Of a page: as bytes, beside which nothing that they were made of is held. */
interface Gathered {
  readonly texts: readonly Buffer<ArrayBuffer>[];
  readonly bytes: number;
  /** So many patterns may come yet, */
  readonly left: number;
  /** from there on. */
  readonly next: Position | undefined;
}

/** Goes on with a page until it has more than so many bytes. */
async function gather(
  store: PatternsParts["store"],
  filter: Filter,
  { texts, bytes, left, next }: Gathered,
  most: number,
  gone: AbortSignal,
): Promise<Gathered> {
  const page = { texts: [...texts], bytes, left, next };
  for await (const piece of piecesOf(store, filter, { limit: left, after: next })) {
    const text = Buffer.from(textOf(piece.lines));
    page.texts.push(text);
    page.bytes += text.length;
    page.left -= piece.lines.length;
    page.next = piece.next;
    if (gone.aborted || page.bytes > most) break;
  }
  return page;
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
