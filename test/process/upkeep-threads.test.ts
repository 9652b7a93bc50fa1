/** Deletion and compression as the daemon runs them: in the writer's thread, while batches come and questions too. */
import { describe, expect, onTestFinished, test } from "vitest";
import { openInThreads } from "../../dist/store/thread.js";
import { packLines, parseLines } from "../../src/pattern/batch.ts";
import { Lines } from "../../src/pattern/lines.ts";
import { PatternParser } from "../../src/pattern/parse.ts";
import type { Pattern } from "../../src/pattern/pattern.ts";
import { Zone } from "../../src/pattern/zone.ts";
import { openStore } from "../../src/store/open.ts";
import { instantOf, Model, parse, walk } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { BACKENDS } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const DAY_MS = 86_400_000;
const FIRST = Date.parse("2026-05-01");
const DAYS = 4;
const OLD = 8_000;
const BATCH = 20;
/** Within the second of the days, the last of which is not compressed. */
const CUTOFF = instantOf("2026-05-02T12:00:00Z");
const LAST_DAY = FIRST / DAY_MS + DAYS - 1;

const parser = new PatternParser({ zone: new Zone("UTC") });

function packed(patterns: readonly Pattern[]) {
  const lines = Lines.of(patterns.map(({ line }) => ({ bytes: Buffer.from(line), terminated: true })));
  return parseLines(parser, packLines(lines, false)).patterns;
}

/** Evenly over the days, oldest first. */
function versions(count: number, name: string, revision: number): Pattern[] {
  return Array.from({ length: count }, (_, n) => {
    const timestamp = new Date(FIRST + Math.floor((n / count) * DAYS * DAY_MS)).toISOString();
    const data = { revision, padding: "한국어 x ".repeat(20) };
    return parse(taskLine({ id: `${name} ${n}`, timestamp, data }));
  });
}

/** For days that are compressed meanwhile and one that is not: newer versions, then new patterns. */
function batches(): Pattern[][] {
  const isKept = ({ instant }: Pattern) => instant >= CUTOFF;
  const patterns = [...versions(OLD, "old", 2), ...versions(OLD, "new", 1)].filter(isKept);
  return Array.from({ length: patterns.length / BATCH }, (_, n) =>
    patterns.filter((_, index) => index % (patterns.length / BATCH) === n),
  );
}

describe.each(BACKENDS)("in the threads of %s", (kind) => {
  test("upkeep and writing have their turns, and every pattern is there exactly once", async () => {
    const place = new Place((options) => openStore(kind, options));
    const options = { path: place.path, durability: "os", timezone: "UTC", readOnly: false } as const;
    const ended: Error[] = [];
    const store = await openInThreads(kind, options, (error) => ended.push(error));
    onTestFinished(() => store.close());
    const model = new Model();
    const write = async (patterns: readonly Pattern[]) => {
      expect(await store.write(packed(patterns))).toEqual(model.write(patterns));
    };
    await write(versions(OLD, "old", 1));
    const coming = batches();
    // Whoever asks first waits for the thread that answers.
    await store.query({}, { limit: 1 });

    let isOver = false;
    const told: number[] = [];
    const deleting = store.deleteOlderThan(CUTOFF, {}, (patterns) => told.push(patterns));
    const upkeep = Promise.all([deleting, store.compress(LAST_DAY)]).finally(() => {
      isOver = true;
    });
    let written = 0;
    for (const batch of coming) {
      await write(batch);
      if (isOver) break;
      written += 1;
      const { lines } = await store.query({ start: CUTOFF }, { limit: 200 });
      expect(new Set(lines).size).toBe(200);
    }
    const [deleted, compressed] = await upkeep;
    expect(deleted).toBe(model.deleteOlderThan(CUTOFF));
    expect(told.reduce((sum, patterns) => sum + patterns)).toBe(deleted);
    expect(told.length, "times that the deletion said how far it is").toBeGreaterThan(1);
    expect(compressed > 0).toBe(kind === "filesystem");
    expect(written, "batches while upkeep went on").toBeGreaterThan(1);

    const wanted = model.lines({});
    expect(await walk(store, {}, 5_000)).toEqual(wanted);
    for (const line of wanted.slice(-20)) expect(await store.get(parse(line).id)).toBe(line);
    await store.close();
    expect(ended).toEqual([]);
    const reopened = await place.open();
    expect(await walk(reopened, {}, 5_000)).toEqual(wanted);
    expect(await reopened.deleteOlderThan(CUTOFF)).toBe(0);
    expect(await reopened.write(wanted.slice(-20).map(parse))).toEqual(Array(20).fill("superseded"));
  });
});
