import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lines, send } from "./client.ts";
import { Home } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;

test.skipIf(!isInstalled("jq"))("segments are read with jq", async () => {
  const home = new Home();
  const { sockets } = await home.start({ backend: "filesystem" });
  const late = taskLine({ id: "late", timestamp: "2026-05-01T23:30:00-02:00" });
  const early = taskLine({ id: "early", timestamp: "2026-05-01T23:30:00Z" });
  await send(sockets.ingest, [lines(late, early)]);
  const store = join(home.state, "patterns");
  const files = readdirSync(store, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ndjson"))
    .toSorted();
  expect(files).toEqual(["2026/05/01/task_completion.ndjson", "2026/05/02/task_completion.ndjson"]);
  const paths = files.map((file) => join(store, file));
  expect(execFileSync("jq", ["-r", ".pattern_id", ...paths], { encoding: "utf8" })).toBe("early\nlate\n");
  expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual([`${early}\n`, `${late}\n`]);
});

test.skipIf(!isInstalled("sqlite3"))("the documented columns are shown by the sqlite3 shell", async () => {
  const home = new Home();
  const { sockets } = await home.start({ backend: "sqlite" });
  const line = taskLine({ id: "a", timestamp: "2026-05-01T10:00:00+09:00" });
  const { data, context } = JSON.parse(line);
  await send(sockets.ingest, [lines(line)]);
  const sql = "SELECT pattern_id, pattern_type, timestamp, data, context, version FROM patterns";
  const output = execFileSync("sqlite3", ["-readonly", "-json", join(home.state, "patterns.db"), sql]);
  const [{ data: shownData, context: shownContext, ...row }] = JSON.parse(output.toString());
  expect(row).toEqual({
    pattern_id: "a",
    pattern_type: "task_completion",
    timestamp: "2026-05-01T10:00:00+09:00",
    version: "1.0",
  });
  expect(JSON.parse(shownData)).toEqual(data);
  expect(JSON.parse(shownContext)).toEqual(context);
});
