/** Lines that are to be forgotten, taken out of files of any size. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { forgetIn, type Meant } from "../src/forgetting/files.ts";
import { withIds } from "../src/forgetting/meant.ts";
import { WrittenIds } from "../src/forgetting/written-ids.ts";
import { newSeed } from "./process/patterns.ts";

const KIB = 1024;
/** Files are read by so many bytes. */
const BLOCK_BYTES = 256 * KIB;

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "file");
}

function meant(ids: readonly string[], maxLineBytes = 1024 * KIB): Meant {
  const written = new WrittenIds(new Set(ids));
  return { ids: written, isMeant: withIds(written), maxLineBytes };
}

test("what stays is what it would be if each line were looked at by itself", async () => {
  const file = newFile();
  const filler = fc.oneof(
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: BLOCK_BYTES - 300, max: BLOCK_BYTES + 300 }),
  );
  const line = fc.oneof(
    fc
      .tuple(fc.constantFrom("gone", "stays"), filler)
      .map(([id, n]) => `{"pattern_id":"${id}",${"x".repeat(n)}`),
    fc.constantFrom("", " ", "\r"),
  );
  const content = fc.tuple(fc.array(line, { maxLength: 20 }), fc.boolean());
  const property = fc.asyncProperty(
    content,
    fc.integer({ min: 100, max: 2 * BLOCK_BYTES }),
    async ([lines, isEnded], max) => {
      const all = lines.map((one, index) => (isEnded || index < lines.length - 1 ? `${one}\n` : one));
      const kept = all.filter((one) => !one.includes('"gone"'));
      writeFileSync(file, all.join(""));
      const gone = all.length - kept.length;
      expect(await forgetIn(file, meant(["gone"], max), true)).toBe(gone);
      expect(readFileSync(file, "utf8")).toBe(all.join(""));
      expect(await forgetIn(file, meant(["gone"], max), false)).toBe(gone);
      if (gone > 0 && kept.join("").trim() === "") expect(existsSync(file)).toBe(false);
      else expect(readFileSync(file, "utf8")).toBe(kept.join(""));
    },
  );
  await fc.assert(property, { seed: newSeed("forgetting in files"), numRuns: 60 });
});

test("an id that lies across two blocks is found, wherever it is cut", async () => {
  const file = newFile();
  const id = 'an "id" of \\ ümläuts 🦊';
  const once = JSON.stringify(id);
  for (const written of [once, JSON.stringify(once).slice(1, -1)]) {
    const bytes = Buffer.from(written);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const around = [Buffer.alloc(2 * BLOCK_BYTES - cut, '"x\\'), bytes, Buffer.alloc(100, "y")];
      writeFileSync(file, Buffer.concat(around));
      expect([cut, await forgetIn(file, meant([id, "z"], 1_000), false)]).toEqual([cut, 1]);
      expect(existsSync(file)).toBe(false);
    }
  }
});

test("others have their turn while a large file is read and replaced", async () => {
  const file = newFile();
  const line = (id: string) => `{"pattern_id":"${id}","data":"${"x".repeat(500)}"}\n`;
  const many = 20_000;
  writeFileSync(file, line("gone").concat(line("stays")).repeat(many));
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  expect(await forgetIn(file, meant(["gone"]), false)).toBe(many);
  isDone = true;
  expect(readFileSync(file, "utf8")).toBe(line("stays").repeat(many));
  // At least once between two blocks.
  expect(turns).toBeGreaterThan((many * 2 * 500) / BLOCK_BYTES);
});

test("links stay as they are, and nothing is left beside a file", async () => {
  const file = newFile();
  writeFileSync(file, '{"pattern_id":"gone"}\n{"pattern_id":"stays"}\n');
  const link = `${file}.link`;
  symlinkSync(file, link);
  expect(await forgetIn(link, meant(["gone"]), false)).toBe(0);
  expect(await forgetIn(`${file}.none`, meant(["gone"]), false)).toBe(0);
  expect(await forgetIn(file, meant(["gone"]), false)).toBe(1);
  expect(readdirSync(join(file, ".."))).toEqual(["file", "file.link"]);
});
