import { mkdtempSync, readdirSync, rmSync, statSync, watch } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listenOn } from "../src/socket.ts";

let above: string;
let folder: string;
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), "patternd-socket-"));
  folder = mkdtempSync(join(above, "run-"));
});
afterEach(() => rmSync(above, { recursive: true }));

test("a socket is born in its own folder: the one above may be another's, or another file system", async () => {
  const seen = new Set<string | null>();
  const watcher = watch(above, (_, name) => seen.add(name));
  const socket = join(folder, "ingest.sock");
  const listening = await listenOn(createServer(), { socket, mode: 0o620, fd: undefined });
  expect(statSync(socket).mode & 0o777).toBe(0o620);
  expect(readdirSync(folder)).toEqual(["ingest.sock"]);
  listening.close();
  // A name that is made last of all is told of last of all.
  const last = basename(mkdtempSync(join(above, "last-")));
  while (!seen.has(last)) await setImmediate();
  watcher.close();
  expect([...seen].filter((name) => name !== last && name !== basename(folder))).toEqual([]);
});
