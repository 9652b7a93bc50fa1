/** Every command of docs/by-hand.md, as it stands there. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type BackendKind, openStore } from "../src/store/open.ts";
import { createWorld, errorLine, linesOf, MAIN } from "./cli-world.ts";
import { parse } from "./conformance/patterns.ts";
import { taskLine } from "./process/patterns.ts";

const PAGE = readFileSync(new URL("../docs/by-hand.md", import.meta.url), "utf8");
const BLOCKS = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => block ?? []);
const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;

/** The one block that begins so. */
function block(beginning: string): string {
  const found = BLOCKS.filter((one) => one.includes(beginning));
  expect(found, beginning).toHaveLength(1);
  return found[0] ?? "";
}

const day = (number: number, id: string, task: string) =>
  taskLine({ id, task, timestamp: `2026-05-0${number}T12:00:00Z` });
const NEWEST = [
  day(2, "moved", "second"),
  day(1, "late", "second").replace("12:00", "12:01"),
  day(1, "stays", "only"),
  errorLine("e", "2026-05-01T10:00:00Z"),
];

/** A home with a store in its usual place: of one type two days, a compressed one and late arrivals, and versions. */
async function createHome(backend: BackendKind) {
  const world = createWorld();
  const state = join(world.folder, ".local/state/patternd");
  const bin = join(world.folder, "bin");
  for (const folder of [state, bin, join(world.folder, "backups")]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(bin, "patternd"), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, {
    mode: 0o755,
  });
  const config = join(world.folder, "config.json");
  writeFileSync(config, JSON.stringify({ backend }));
  const path = join(state, backend === "sqlite" ? "patterns.db" : "patterns");
  const store = await openStore(backend, { path, durability: "os", timezone: "UTC", readOnly: false });
  const save = async (...lines: string[]) => store.write(lines.map(parse));
  await save(day(1, "moved", "first"), day(1, "late", "first"), day(1, "stays", "only"));
  await store.compress(Date.parse("2026-05-02") / 86_400_000);
  await save(...NEWEST);
  await store.close();
  const { XDG_STATE_HOME: _, ...env } = world.env;
  return {
    path,
    at: (name: string) => join(world.folder, name),
    /** Runs a block, which must succeed in every line; returns what it prints. */
    sh(text: string): string {
      const { status, stdout, stderr } = spawnSync("sh", ["-e"], {
        input: text,
        env: { ...env, PATH: `${bin}:${env.PATH}`, PATTERND_CONFIG: config },
        encoding: "utf8",
      });
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      return stdout;
    },
  };
}

test("no command of the page is left out here", () => {
  const known = ["cat 2026", "reduce inputs", "error_type", "pattern_tags", "patternd backup", "stopped"];
  const restoring = ["patterns.before", "quick_check"];
  expect([...known, ...restoring].map(block).sort()).toEqual([...BLOCKS].sort());
});

describe("files", () => {
  test.skipIf(!isInstalled("jq"))(
    "are read, and the last version of each pattern is kept (needs jq)",
    async () => {
      const home = await createHome("filesystem");
      const [first] = NEWEST;
      const read = linesOf(home.sh(block("cat 2026")));
      expect(read[0]).toBe(first);
      expect(read.filter((line) => line === first)).toHaveLength(2);
      expect(read).toContain("2026-05-02T12:00:00Z\ttester\tsecond");
      const last = linesOf(home.sh(block("reduce inputs")));
      expect(last.sort()).toEqual([...NEWEST].sort());
    },
  );

  test("are backed up and restored", async () => {
    const home = await createHome("filesystem");
    expect(home.sh(block("patternd backup"))).toMatch(/^4 patterns, [\d,]+ bytes, in filesystem:/);
    home.sh(block("stopped"));
    expect(existsSync(home.at("backups/stopped/store.json"))).toBe(true);
    writeFileSync(join(home.path, "2026/05/02/task_completion.ndjson"), "damaged\n");
    expect(linesOf(home.sh(block("patterns.before")))).toEqual(NEWEST.slice(0, 3));
  });
});

describe.skipIf(!isInstalled("sqlite3"))("SQLite (needs sqlite3)", () => {
  test("answers SQL, is backed up and restored", async () => {
    const home = await createHome("sqlite");
    expect(home.sh(block("error_type"))).toBe("e|2026-05-01T10:00:00Z|TypeError\n");
    const tagged = linesOf(home.sh(block("pattern_tags")));
    expect(tagged.slice(0, 3)).toEqual(NEWEST.slice(0, 3));
    expect(tagged.join("\n")).toMatch(/2026-05-01 │ task_completion +│ 2 /);
    expect(home.sh(block("patternd backup"))).toMatch(/^4 patterns, [\d,]+ bytes, in sqlite:/);
    writeFileSync(home.path, "damaged");
    expect(linesOf(home.sh(block("quick_check")))).toEqual(["ok", "4", ...NEWEST.slice(0, 3)]);
  });
});
