/** What is no plain file where one of a store's should be: nothing waits for it, and the rest is checked. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { DAY } from "./check-world.ts";
import { MAIN } from "./cli-world.ts";
import { lineOf, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const WAIT_MS = 20_000;
/** On two days, each with marks. */
const written = [note("a"), note("b", { at: "2026-05-02T10:00:00Z" })];
const again = written.map(({ id }, n) => note(id, { at: `2026-05-0${n + 1}T11:00:00Z` }));

const OBSTACLES: Record<string, (path: string) => void> = {
  "a folder": (path) => mkdirSync(path, { mode: 0o700 }),
  "a FIFO": (path) => expect(spawnSync("mkfifo", ["-m", "600", path]).status).toBe(0),
  "a link that leads nowhere": (path) => symlinkSync("/nowhere/at/all", path),
  "a link to a folder": (path) => symlinkSync("/", path),
  "a link to itself": (path) => symlinkSync(path, path),
};
const kinds = Object.keys(OBSTACLES);

async function storeWith(what: string, file: string): Promise<{ place: Place; path: string }> {
  const place = new Place((options) => openFilesystem(options));
  const backend = await place.open();
  await backend.write(written);
  await backend.write(again);
  await backend.compress(100_000);
  await backend.write([note("late", { at: "2026-05-01T12:00:00Z" })]);
  await backend.close();
  const path = join(place.path, file);
  rmSync(path, { force: true });
  OBSTACLES[what]?.(path);
  return { place, path };
}

/** What it prints, and its exit status: null if it hangs. */
function ask(place: Place, ...words: string[]) {
  const args = [MAIN, ...words];
  const env = { PATH: process.env.PATH ?? "", HOME: place.folder, XDG_CONFIG_HOME: place.folder };
  const run = spawnSync(process.execPath, args, { env, timeout: WAIT_MS, encoding: "utf8" });
  return { ...run, lines: run.stdout.split("\n").filter(Boolean) };
}

function check(place: Place, ...words: string[]) {
  const { status, lines, stderr } = ask(
    place,
    "check-store",
    "--json",
    "--store",
    `filesystem:${place.path}`,
    ...words,
  );
  const answers = lines.map((line) => JSON.parse(line));
  const findings = answers.flatMap(({ finding }) => finding ?? []);
  return { status, stderr, findings, checked: answers.at(-1)?.checked };
}

/** Looked at and repaired: it is all that is found, and is left. */
function expectObstacle(place: Parameters<typeof check>[0], path: string, patterns: number): void {
  for (const words of [[], ["--repair"]]) {
    const { status, findings, checked, stderr } = check(place, ...words);
    expect([status, stderr]).toEqual([1, ""]);
    expect(findings).toMatchObject([{ kind: "obstacle", file: path }]);
    expect(checked).toMatchObject({ patterns, findings: 1 });
  }
}

test.each(
  kinds.flatMap((what) =>
    [".replaced", "note.ndjson", "note.ndjson.gz"].map((name) => [what, name] as const),
  ),
)(
  "%s as %s: the other day is checked, and a repair leaves it",
  async (what, name) => {
    const { place, path } = await storeWith(what, `${DAY}/${name}`);
    expectObstacle(place, path, 1);
  },
  3 * WAIT_MS,
);

test.each(kinds.flatMap((what) => [".note.index", ".note.gz.index"].map((name) => [what, name] as const)))(
  "%s as %s: everything is checked, and answered",
  async (what, name) => {
    const { place, path } = await storeWith(what, `${DAY}/${name}`);
    expectObstacle(place, path, 3);
    const backend = await place.open();
    await backend.write([note("new")]);
    expect((await backend.query({}, { limit: 9 })).lines).toHaveLength(4);
    expect((await backend.query({}, { limit: 9 })).lines).toContain(lineOf(note("new")));
  },
  3 * WAIT_MS,
);

test.each(["a folder", "a FIFO"])(
  "%s as store.json is said, and nothing waits for it",
  async (what) => {
    const { place } = await storeWith(what, "store.json");
    const { status, findings } = check(place);
    expect([status, findings]).toMatchObject([1, [{ kind: "metadata_damaged" }]]);
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: "store_failed" });
  },
  3 * WAIT_MS,
);

test.each([".replaced", "note.ndjson", "note.ndjson.gz"])(
  "whoever asks past a FIFO as %s is told",
  async (name) => {
    const { place, path } = await storeWith("a FIFO", `${DAY}/${name}`);
    const config = join(place.folder, "config.json");
    writeFileSync(config, JSON.stringify({ path: place.path }));
    const { status, stderr } = ask(place, "query", "--json", "--config", config);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${path} is no plain file`)]);
    await expect(place.open()).rejects.toThrow();
  },
  3 * WAIT_MS,
);
