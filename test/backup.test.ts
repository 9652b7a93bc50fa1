import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Zone } from "../src/pattern/zone.ts";
import type { Backend } from "../src/store/backend.ts";
import { type BackupProgress, backup } from "../src/store/backup.ts";
import { Cutoffs } from "../src/store/cutoffs.ts";
import { SegmentWriter } from "../src/store/filesystem/writer.ts";
import { type BackendKind, openStore } from "../src/store/open.ts";
import { errorLine } from "./cli-world.ts";
import { parse, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const FIRST_DAY = Date.parse("2026-05-01") / 86_400_000;
const DAY_NANOS = 86_400_000_000_000n;

function createRig(kind: BackendKind) {
  const place = new Place((options) => openStore(kind, options));
  const at = (name: string) => join(place.folder, name);
  return {
    place,
    at,
    from: { backend: kind, path: place.path },
    open: (name: string) => place.open({ path: at(name), readOnly: true }),
  };
}

async function fill(store: Backend, ...lines: string[]): Promise<void> {
  await store.write(lines.map(parse));
}

describe.each(["filesystem", "sqlite"] as const)("a backup of %s", (kind) => {
  test("knows what was forgotten", async () => {
    const { place, at, from } = createRig(kind);
    const store = await place.open();
    await fill(store, errorLine("a", "2026-05-01"), errorLine("b", "2026-05-01"));
    await store.forget(["a"]);
    await backup(from, at("copy"));
    const copy = await place.open({ path: at("copy") });
    expect(await copy.write([parse(errorLine("a", "2026-05-02"))])).toEqual(["superseded"]);
  });

  test("is the store again, and open to a writer", async () => {
    const { place, at, from, open } = createRig(kind);
    const store = await place.open({ timezone: "Asia/Seoul" });
    await fill(store, errorLine("old", "2026-04-01T00:00:00"), errorLine("a", "2026-05-01"));
    await store.compress(FIRST_DAY);
    await fill(
      store,
      errorLine("a", "2026-05-02"),
      errorLine("late", "2026-04-01"),
      errorLine("é", "2026-05-02"),
    );
    const lines = await walk(store, {}, 100);

    const seen: BackupProgress[] = [];
    const made = await backup(from, at("copy"), { onProgress: (now) => seen.push(now) });
    expect(made).toMatchObject({ patterns: 4, path: kind === "sqlite" ? at("copy.db") : at("copy") });
    expect(new Set(seen.map(({ phase }) => phase))).toEqual(new Set(["copy", "verify"]));

    const copy = await open("copy");
    expect(copy.metadata).toEqual(store.metadata);
    expect(await walk(copy, {}, 100)).toEqual(lines);
    await copy.close();
    for (const { path, mode } of place.entries()) expect([path, mode & 0o077]).toEqual([path, 0]);
    expect(readdirSync(place.folder).filter((name) => name.includes("patternd-backup"))).toEqual([]);

    // What comes later goes to one of them alone.
    const writer = await place.open({ path: at("copy") });
    await fill(writer, errorLine("a", "2026-05-03"));
    expect(await writer.get("a")).toBe(errorLine("a", "2026-05-03"));
    expect(await walk(store, {}, 100)).toEqual(lines);
  });

  test("of an empty store is one", async () => {
    const { place, at, from, open } = createRig(kind);
    await (await place.open()).close();
    expect(await backup(from, at("copy"))).toMatchObject({ patterns: 0 });
    expect(await walk(await open("copy"), {}, 100)).toEqual([]);
  });

  test("goes to no place that is taken, and leaves nothing when it fails", async () => {
    const { place, at, from } = createRig(kind);
    await expect(backup(from, at("copy"))).rejects.toMatchObject({ code: "store_not_found" });
    const store = await place.open();
    await fill(store, errorLine("a", "2026-05-01"));
    const target = kind === "sqlite" ? "copy.db" : "copy";
    await expect(backup(from, place.path)).rejects.toMatchObject({
      code: kind === "sqlite" ? "backup_exists" : "usage",
    });
    writeFileSync(at(target), "mine");
    await expect(backup(from, at("copy"))).rejects.toMatchObject({ code: "backup_exists" });
    expect(readFileSync(at(target), "utf8")).toBe("mine");
    symlinkSync("nowhere", at(kind === "sqlite" ? "link.db" : "link"));
    await expect(backup(from, at("link"))).rejects.toMatchObject({ code: "backup_exists" });
    await expect(backup(from, join(at(target), "below"))).rejects.toMatchObject({ code: "backup_failed" });
    expect(readdirSync(place.folder).filter((name) => name.includes("patternd-backup"))).toEqual([]);
  });

  test("clears what a killed one left, and leaves alone what another one is at", async () => {
    const { place, at, from, open } = createRig(kind);
    await fill(await place.open(), errorLine("a", "2026-05-01"));
    const building = at(`.copy${kind === "sqlite" ? ".db" : ""}.patternd-backup`);
    mkdirSync(join(building, "2026/04/30"), { recursive: true });
    writeFileSync(join(building, "2026/04/30/error_occurrence.ndjson"), `${errorLine("x", "2026-04-30")}\n`);
    writeFileSync(join(building, "store.db"), "half");
    const first = backup(from, at("copy"));
    await expect(backup(from, at("copy"))).rejects.toMatchObject({ code: "store_locked" });
    expect(await first).toMatchObject({ patterns: 1 });
    expect(await walk(await open("copy"), {}, 100)).toEqual([errorLine("a", "2026-05-01")]);
  });
});

test("an empty folder takes a store on files", async () => {
  const { place, at, from, open } = createRig("filesystem");
  await fill(await place.open(), errorLine("a", "2026-05-01"));
  mkdirSync(at("copy"), { mode: 0o755 });
  expect(await backup(from, at("copy"))).toMatchObject({ patterns: 1 });
  expect(await walk(await open("copy"), {}, 100)).toHaveLength(1);
});

test("a torn line is not copied, whole ones before it are", async () => {
  const { place, at, from, open } = createRig("filesystem");
  const store = await place.open();
  await fill(store, errorLine("a", "2026-05-01"));
  await store.close();
  const segment = "2026/05/01/error_occurrence.ndjson";
  const whole = readFileSync(join(place.path, segment));
  writeFileSync(join(place.path, segment), Buffer.concat([whole, whole.subarray(0, 50)]));
  expect(await backup(from, at("copy"))).toMatchObject({ patterns: 1, bytes: whole.length });
  expect(readFileSync(join(at("copy"), segment))).toEqual(whole);
  expect(await walk(await open("copy"), {}, 100)).toEqual([errorLine("a", "2026-05-01")]);
});

type Action = readonly ["save", number, number] | readonly ["compress"] | readonly ["delete", number];

const IDS = 6;
const DAYS = 8;
/** A day and, by the version, a moment of it; later versions mostly move on, over days that are new as well. */
const save = fc.tuple(fc.constant("save" as const), fc.nat(IDS - 1), fc.nat(DAYS - 1));
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: save },
  { weight: 2, arbitrary: fc.tuple(fc.constant("compress" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("delete" as const), fc.nat(DAYS - 1)) },
);

/** Does what a store's user does, at once and to the end, and knows every version that was ever sent. */
class User {
  readonly sent = new Map<string, string[]>();
  readonly #writer: SegmentWriter;
  /** Where deletions have come to. */
  deletedTo = 0n;

  constructor(path: string) {
    const options = { path, durability: "os", timezone: "UTC", readOnly: false } as const;
    this.#writer = new SegmentWriter(options, new Zone("UTC"));
  }

  do(action: Action): void {
    if (action[0] === "compress") toEnd(this.#writer.compress(FIRST_DAY + DAYS));
    else if (action[0] === "delete") {
      const cutoff = BigInt(FIRST_DAY + action[1]) * DAY_NANOS;
      if (cutoff > this.deletedTo) this.deletedTo = cutoff;
      toEnd(this.#writer.deleteOlderThan(new Cutoffs(cutoff)));
    } else {
      const [, id, day] = action;
      const versions = this.sent.get(`${id}`) ?? [];
      const at = new Date((FIRST_DAY + day) * 86_400_000 + versions.length * 1000).toISOString();
      const line = errorLine(`${id}`, at, { version: versions.length });
      this.sent.set(`${id}`, [...versions, line]);
      this.#writer.write([parse(line)]);
    }
  }

  /** Which of the versions of its id, in the order in which they were sent. */
  order({ id, line }: { id: string; line: Uint8Array }): number {
    return this.sent.get(id)?.indexOf(Buffer.from(line).toString()) ?? -1;
  }

  close(): void {
    this.#writer.close();
  }
}

function toEnd(work: Generator): void {
  while (!work.next().done);
}

test("whatever moves between the days while they are copied is in the copy once", async () => {
  let moved = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 4, maxLength: 25 }),
      fc.array(fc.array(action, { maxLength: 8 }), { maxLength: DAYS }),
      async (before, meanwhile) => {
        const { place, at, from, open } = createRig("filesystem");
        await (await place.open()).close();
        const user = new User(place.path);
        for (const one of before) user.do(one);
        const atFirst = (await walk(await place.open({ readOnly: true }), {}, 100)).map(parse);
        const steps = [...meanwhile];
        // Called after each day.
        await backup(from, at("copy"), {
          onProgress: ({ phase }) => {
            if (phase === "copy") for (const one of steps.shift() ?? []) user.do(one);
          },
        });
        user.close();
        const copied = (await walk(await open("copy"), {}, 100)).map(parse);
        expect(new Set(copied.map(({ id }) => id)).size).toBe(copied.length);
        for (const { id, line } of copied) expect(user.sent.get(id)).toContain(line.toString());
        for (const { id, instant, line } of atFirst) {
          const copy = copied.find((other) => other.id === id);
          if (instant >= user.deletedTo) expect(copy?.instant).toBeGreaterThanOrEqual(instant);
          // Once deleted it may have come again, for an earlier instant; but no replaced version comes back.
          if (copy) expect(user.order(copy)).toBeGreaterThanOrEqual(user.order({ id, line }));
          if (copy && copy.instant > instant) moved += 1;
        }
        await place.remove();
      },
    ),
    { numRuns: 40 },
  );
  expect(moved).toBeGreaterThan(5);
}, 120_000);

test("a backup of sqlite is read without a file beside it, as on a disk that can't be written", async () => {
  const { place, at, from, open } = createRig("sqlite");
  await fill(await place.open(), errorLine("a", "2026-05-01"));
  await backup(from, at("copy"));
  const files = () => readdirSync(place.folder).filter((name) => name.startsWith("copy"));
  const copy = await open("copy");
  expect(await walk(copy, {}, 100)).toEqual([errorLine("a", "2026-05-01")]);
  expect(files()).toEqual(["copy.db"]);
  await copy.close();
  // A writer has its WAL again.
  const writer = await place.open({ path: at("copy") });
  await fill(writer, errorLine("b", "2026-05-01"));
  expect(files()).toContain("copy.db-wal");
});
