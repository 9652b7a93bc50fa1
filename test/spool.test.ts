import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Spool, type SpoolDamage, SpoolFull } from "../src/queue/spool/spool.ts";
import type { CutTail } from "../src/queue/spool/spool-file.ts";
import { readRecords, recordsOf } from "../src/queue/spool/spool-record.ts";
import { newSeed } from "./process/patterns.ts";
import { openSpool, temporaryFolder } from "./queue-fixture.ts";

/** Bytes of any kind but newlines: what the framing of a socket hands on. */
const content = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes.filter((b) => b !== 10)));
const batch = fc.array(content, { minLength: 1, maxLength: 8 });

const filesIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".spool"));

/** Takes everything out, oldest first. */
async function emptied(spool: Spool): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (let file = await spool.next(); file; file = await spool.next()) {
    all.push(...file.lines);
    await spool.remove(file);
  }
  return all;
}

async function reopened(folder: string) {
  const tails: CutTail[] = [];
  const damaged: SpoolDamage[] = [];
  const spool = await openSpool({
    folder,
    onRepaired: (tail) => tails.push(tail),
    onDamaged: (damage) => damaged.push(damage),
  });
  return { spool, tails, damaged };
}

/** The folder as a crash at this moment would leave it. */
async function crashed(spool: Spool, folder: string): Promise<string> {
  const left = temporaryFolder();
  cpSync(folder, left, { recursive: true });
  await spool.close();
  return left;
}

test("whatever is appended and taken out, over whatever reopenings, comes out once and in order", async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("append" as const), lines: batch, alone: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("close" as const, "crash" as const) }) },
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    let folder = temporaryFolder();
    let { spool } = await reopened(folder);
    const wanted: Buffer[] = [];
    for (const action of steps) {
      if (action.kind === "append") {
        await spool.append(action.lines, { alone: action.alone });
        wanted.push(...action.lines);
      } else if (action.kind === "take") {
        const file = await spool.next();
        if (file) {
          expect(file).toMatchObject({ missing: 0, isDamaged: false });
          expect(wanted.splice(0, file.lines.length)).toEqual(file.lines);
          await spool.remove(file);
        }
      } else {
        if (action.kind === "close") await spool.close();
        else folder = await crashed(spool, folder);
        ({ spool } = await reopened(folder));
      }
      expect(spool.lines).toBe(wanted.length);
      expect(spool.isEmpty).toBe(wanted.length === 0);
    }
    expect(await emptied(spool)).toEqual(wanted);
    expect(filesIn(folder)).toEqual([]);
    expect(spool.bytes).toBe(0);
  });
  await fc.assert(property, { seed: newSeed("spool"), numRuns: 60 });
}, 60_000);

test("a crash at any byte loses nothing that was whole, and keeps aside what was not", async () => {
  const property = fc.asyncProperty(
    fc.array(batch, { minLength: 1, maxLength: 5 }),
    fc.nat(),
    async (batches, at) => {
      const before = temporaryFolder();
      const first = await reopened(before);
      for (const lines of batches) await first.spool.append(lines);
      const folder = await crashed(first.spool, before);
      const [name = ""] = filesIn(folder);
      const path = join(folder, name);
      const length = at % (statSync(path).size + 1);
      truncateSync(path, length);

      const whole = wholeBefore(batches.flat(), length);
      const { spool, tails, damaged } = await reopened(folder);
      expect(spool.lines).toBe(whole.lines.length);
      const torn = length - whole.bytes;
      expect(tails.map(({ bytes }) => bytes)).toEqual(torn > 0 ? [torn] : []);
      for (const { keptAs } of tails) expect(statSync(keptAs)).toMatchObject({ size: torn, mode: 0o100600 });
      await spool.append([Buffer.from("newer")]);
      expect(await emptied(spool)).toEqual([...whole.lines, Buffer.from("newer")]);
      expect(damaged).toEqual([]);
    },
  );
  await fc.assert(property, { seed: newSeed("torn spool"), numRuns: 60 });
}, 60_000);

test("damaged bytes cost the records that they are in, which are counted and kept aside", async () => {
  const places = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  const property = fc.asyncProperty(
    fc.array(batch, { minLength: 1, maxLength: 5 }),
    places,
    fc.boolean(),
    async (batches, flips, isClosed) => {
      const before = temporaryFolder();
      const first = await reopened(before);
      for (const lines of batches) await first.spool.append(lines);
      const folder = isClosed ? before : await crashed(first.spool, before);
      await first.spool.close();
      const lines = batches.flat();
      const [name = ""] = filesIn(folder);
      const bytes = readFileSync(join(folder, name));
      for (const [place, mask] of flips) {
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ mask;
      }
      writeFileSync(join(folder, name), bytes);
      const intact = undamaged(lines, bytes);

      const { spool, tails, damaged } = await reopened(folder);
      await spool.append([Buffer.from("newer")]);
      expect(await emptied(spool)).toEqual([...intact, Buffer.from("newer")]);
      // A file that a crash left is counted by what can be read of it.
      const missing = isClosed ? lines.length - intact.length : 0;
      expect(damaged.reduce((sum, damage) => sum + damage.lines, 0)).toBe(missing);
      const keptAside = [...tails, ...damaged].length;
      expect(keptAside).toBeGreaterThanOrEqual(intact.length < lines.length ? 1 : 0);
      for (const { keptAs } of damaged) expect(readFileSync(keptAs).length).toBeGreaterThan(0);
    },
  );
  await fc.assert(property, { seed: newSeed("damaged spool"), numRuns: 100 });
}, 60_000);

test("a damaged file that is kept aside is said once, however often its removal is tried", async () => {
  const folder = temporaryFolder();
  const earlier = await openSpool({ folder });
  await earlier.append([Buffer.from("a")]);
  await earlier.close();
  const [name = ""] = filesIn(folder);
  truncateSync(join(folder, name), 3);
  const damaged: SpoolDamage[] = [];
  const onDamaged = (damage: SpoolDamage) => {
    damaged.push(damage);
    // What follows the move is the sync of the folder, which is not there then.
    renameSync(folder, `${folder}.away`);
  };
  const spool = await openSpool({ folder, durability: "fsync", onDamaged });
  const file = await spool.next();
  if (!file) throw new Error("the file is there, if not what was in it");
  await expect(spool.remove(file)).rejects.toMatchObject({ code: "ENOENT" });
  renameSync(`${folder}.away`, folder);
  await spool.remove(file);
  expect(spool.isEmpty).toBe(true);
  expect(damaged).toMatchObject([{ lines: 1 }]);
  expect(statSync(damaged[0]?.keptAs ?? "").size).toBe(3);
});

test("any bytes can be read, and what was written among them is found", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), batch, (noise, lines) => {
    const records = recordsOf(lines);
    const { lines: found, damage } = readRecords(Buffer.concat([noise, records]));
    expect(found.slice(-lines.length)).toEqual(lines);
    expect(damage.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(noise.length);
  });
  fc.assert(property, { seed: newSeed("records"), numRuns: 300 });
});

test("is bounded, and takes more when something is gone", async () => {
  const spool = await openSpool({ maxBytes: 1_000 });
  const line = Buffer.alloc(400, "x");
  await spool.append([line]);
  await spool.append([line]);
  await expect(spool.append([line])).rejects.toThrow(SpoolFull);
  expect(spool.lines).toBe(2);
  const file = await spool.next();
  if (file) await spool.remove(file);
  await spool.append([line]);
  expect(spool.lines).toBe(1);
});

test("a folder that can't be written takes nothing, and takes again when it can", async () => {
  const folder = join(temporaryFolder(), "spool");
  mkdirSync(folder);
  const spool = await openSpool({ folder });
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "in the way");
  await expect(spool.append([Buffer.from("a")])).rejects.toMatchObject({ code: "ENOTDIR" });
  expect(spool.isEmpty).toBe(true);
  rmSync(folder);
  mkdirSync(folder);
  await spool.append([Buffer.from("b")]);
  expect(await emptied(spool)).toEqual([Buffer.from("b")]);
});

test("files are private, and of a bounded size; a closed one says in its name what it holds", async () => {
  const folder = temporaryFolder();
  const spool = await openSpool({ folder, maxBytes: 100_000_000, durability: "fsync" });
  const line = Buffer.alloc(1024 * 1024, "x");
  for (let n = 0; n < 18; n += 1) await spool.append([line]);
  await spool.close();
  const names = filesIn(folder).sort();
  expect(names.map((name) => name.split("-")[1])).toEqual(["7", "7", "4"]);
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  // Nothing of them is read: not even that they are gone is noticed.
  for (const name of names) rmSync(join(folder, name));
  for (const name of names) writeFileSync(join(folder, name), "");
  const { spool: again, damaged } = await reopened(folder);
  expect(again.lines).toBe(18);
  expect(await emptied(again)).toEqual([]);
  expect(damaged.map(({ lines }) => lines)).toEqual([7, 7, 4]);
});

/** The lines whose records end by `length`, and where they do. */
function wholeBefore(lines: readonly Buffer[], length: number): { lines: Buffer[]; bytes: number } {
  let bytes = 0;
  const whole: Buffer[] = [];
  for (const line of lines) {
    const next = bytes + recordsOf([line]).length;
    if (next > length) break;
    whole.push(line);
    bytes = next;
  }
  return { lines: whole, bytes };
}

/** The lines whose records stand unchanged where they were written. */
function undamaged(lines: readonly Buffer[], bytes: Buffer): Buffer[] {
  let at = 0;
  return lines.filter((line) => {
    const record = recordsOf([line]);
    const isIntact = bytes.subarray(at, at + record.length).equals(record);
    at += record.length;
    return isIntact;
  });
}
