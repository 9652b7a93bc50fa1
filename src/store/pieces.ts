/** A long answer piece by piece, so that it never is in memory as a whole and others get answers meanwhile. */
import type { Backend, Page, PageRequest } from "./backend.ts";
import type { Filter } from "./filter.ts";

/** As much of an answer as is held for one reader. */
export const PIECE_BYTES = 1024 * 1024;
const PIECE_LINES = 10_000;
/** How long is looked for one piece, unless the next one would have to look at most of it again. */
const LOOK_MS = 50;

/** As many patterns as wanted, or all that there are. A piece may be empty; the last one says where to go on. */
export async function* piecesOf(
  store: Pick<Backend, "query">,
  filter: Filter,
  { limit, after }: Pick<PageRequest, "limit" | "after">,
): AsyncGenerator<Page, void> {
  let left = limit;
  let from = after;
  do {
    const page = await store.query(filter, {
      limit: Math.min(left, PIECE_LINES),
      after: from,
      maxBytes: PIECE_BYTES,
      lookMs: LOOK_MS,
    });
    left -= page.lines.length;
    from = page.next;
    yield page;
  } while (left > 0 && from);
}
