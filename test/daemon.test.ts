import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Config, loadConfig } from "../dist/config/load.js";
import { startDaemon } from "../dist/daemon.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "patternd-daemon-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function config(content: object = {}): Config {
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify({ log: { file: join(folder, "log") }, ...content }));
  return loadConfig({
    file,
    env: { XDG_RUNTIME_DIR: join(folder, "run"), XDG_STATE_HOME: join(folder, "state") },
  });
}

const sockets = () =>
  ["ingest", "query", "control"].map((name) => join(folder, "run/patternd", `${name}.sock`));

for (const [index, name] of ["ingest", "query", "control"].entries()) {
  test(`releases everything that was started when the ${name} socket can't be made`, async () => {
    mkdirSync(join(folder, "run/patternd"), { recursive: true });
    const blocked = sockets()[index] ?? "";
    writeFileSync(blocked, "in the way");
    await expect(startDaemon(config())).rejects.toMatchObject({ code: "socket_unusable" });
    expect(sockets().filter((path) => existsSync(path))).toEqual([blocked]);
    rmSync(blocked);
    const daemon = await startDaemon(config());
    expect(await daemon.stop("test")).toBe(0);
  });
}

test("a store that is in use is refused, naming the holder, and left alone", async () => {
  const first = await startDaemon(config());
  const other = config({ ingest: { socket: "a" }, query: { socket: "b" }, control: { socket: "c" } });
  await expect(startDaemon(other)).rejects.toMatchObject({
    code: "store_locked",
    message: expect.stringContaining(`pid ${process.pid}`),
  });
  expect(await first.stop("test")).toBe(0);
});

test("stopping twice is stopping once", async () => {
  const daemon = await startDaemon(config());
  const first = daemon.stop("test");
  expect(daemon.stop("test again")).toBe(first);
  expect(await first).toBe(0);
  expect(sockets().filter((path) => existsSync(path))).toEqual([]);
});
