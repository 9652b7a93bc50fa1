import * as v from "valibot";
import type { Scan, Visit } from "../../analysis/analyse.ts";
import type { Position } from "../backend.ts";
import { contentMatcher, type Filter } from "../filter.ts";
import type { Connection } from "./driver.ts";
import { isExact, keyQuery, type Parameter } from "./keys.ts";
import { sparsest } from "./reader.ts";

/** About ten milliseconds, after which others have their turn. */
const STEP_ROWS = 2_000;
/** JavaScript's numbers hold milliseconds, and are made faster than 64-bit integers. */
const COLUMNS = "p.seq, p.instant / 1000000, p.pattern_type";

type Row = readonly [seq: number, ms: number, type: string, line?: string];

const position = v.object({ instant: v.bigint(), id: v.string() });

/** Every pattern of a filter, newest first: each step is a statement of its own, so that the WAL can be cleared between two. */
export function* scan(db: Connection, filter: Filter, visit: Visit): Scan {
  const matches = isExact(filter) ? undefined : contentMatcher(filter);
  const leading = sparsest(db, filter, undefined);
  // Only the index of instants gives the order itself; with any other the lines would be sorted along.
  const columns = leading ? COLUMNS : `${COLUMNS}, p.line`;
  const lineOf = db.prepare<[number], string>("SELECT line FROM patterns WHERE seq = ?").pluck();
  const positionOf = db
    .prepare("SELECT instant, pattern_id AS id FROM patterns WHERE seq = ?")
    .safeIntegers();
  let after: Position | undefined;
  // Of one snapshot: what the writer does between two statements must not take away where to go on.
  const step = db.transaction((): Position | undefined => {
    const { sql, parameters } = keyQuery(filter, after, STEP_ROWS, leading, columns);
    const rows = db
      .prepare<Parameter[], Row>(sql)
      .raw()
      .all(...parameters);
    for (const [seq, ms, type, line = lineOf.get(seq)] of rows) {
      if (line !== undefined && (!matches || matches(line))) visit(type, ms, line);
    }
    const last = rows.at(-1);
    return last && rows.length === STEP_ROWS ? v.parse(position, positionOf.get(last[0])) : undefined;
  });
  for (;;) {
    after = step();
    if (!after) return true;
    yield;
  }
}
