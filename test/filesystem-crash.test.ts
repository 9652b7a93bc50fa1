/** What a crash may leave of a batch on files: any of its segments, and not the others. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PatternParser } from "../src/pattern/parse.ts";
import type { Pattern } from "../src/pattern/pattern.ts";
import { Zone } from "../src/pattern/zone.ts";
import type { Backend } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { newSeed } from "./process/patterns.ts";

const parser = new PatternParser({ zone: new Zone("UTC") });
const IDS = ["a", "b", "c"];

interface Version {
  readonly id: number;
  readonly day: number;
  readonly second: number;
}
const version = fc.record({ id: fc.nat(2), day: fc.integer({ min: 1, max: 3 }), second: fc.nat(3) });
const versions = fc.array(version, { minLength: 1, maxLength: 6 });

function patternOf({ id, day, second }: Version, number: number): Pattern {
  const data = { agent_type: "a", task_type: `${number}`, success: true, duration_ms: 1 };
  const timestamp = `2026-05-0${day}T10:00:0${second}Z`;
  const line = JSON.stringify({ pattern_id: IDS[id], pattern_type: "agent_usage", timestamp, data });
  const parsed = parser.parseLine(Buffer.from(line));
  if (parsed.kind !== "pattern") throw new Error(JSON.stringify(parsed));
  return parsed.pattern;
}

const open = (path: string) => openFilesystem({ path, durability: "os", timezone: "UTC", readOnly: false });

async function linesOf(store: Backend): Promise<readonly string[]> {
  return (await store.query({}, { limit: 100 })).lines;
}

const idsOf = (lines: readonly string[]) => lines.map((line) => String(JSON.parse(line).pattern_id)).sort();
const segmentsIn = (path: string) =>
  readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ndjson"));

test("whichever segments of a batch a crash leaves, each pattern is there once, and none is gone", async () => {
  const seed = newSeed("crashes between files");
  let chains = 0;
  await fc.assert(
    fc.asyncProperty(versions, versions, fc.nat(7), async (first, batch, left) => {
      const folder = mkdtempSync(join(tmpdir(), "patternd-crash-"));
      try {
        const [path, after] = [join(folder, "store"), join(folder, "after")];
        const store = await open(path);
        await store.write(first.map(patternOf));
        const before = await linesOf(store);
        await store.close();
        cpSync(path, after, { recursive: true });
        const written = await open(after);
        const numbered = batch.map((one, number) => patternOf(one, number + 10));
        await written.write(numbered);
        const whole = await linesOf(written);
        await written.close();
        if (new Set(batch.map(({ id }) => id)).size < batch.length) chains += 1;
        // All marks are there before any line; each segment has what it had before, or all.
        for (const name of readdirSync(after, { recursive: true, encoding: "utf8" })) {
          const isSegment = name.endsWith(".ndjson");
          if (!statSync(join(after, name)).isFile() || !(isSegment || name.endsWith(".replaced"))) continue;
          if (isSegment && ((left >> (segmentsIn(after).indexOf(name) % 3)) & 1) === 0) continue;
          mkdirSync(dirname(join(path, name)), { recursive: true });
          cpSync(join(after, name), join(path, name));
        }
        const again = await open(path);
        const found = await linesOf(again);
        expect(idsOf(found)).toEqual([...new Set(idsOf(found))]);
        expect(idsOf(found)).toEqual(expect.arrayContaining(idsOf(before)));
        await again.write(numbered);
        expect(await linesOf(again)).toEqual(whole);
        await again.close();
        expect(existsSync(path)).toBe(true);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { seed, numRuns: 80 },
  );
  expect(chains).toBeGreaterThan(15);
});
