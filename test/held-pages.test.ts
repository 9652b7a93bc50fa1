/** A page is held whole for its reader: one that does not read delays other large pages for a while, and nothing else. */
import { mkdtempSync, rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import { HeldPages } from "../src/control/held-pages.ts";
import { patterns } from "../src/control/patterns.ts";
import { ControlServer } from "../src/control/server.ts";
import { openStore } from "../src/store/open.ts";
import { parse } from "./conformance/patterns.ts";
import { taskLine } from "./process/patterns.ts";

const LINES = 60;
const LARGE = "/v1/patterns?limit=10000";
const SMALL = "/v1/patterns?limit=1";

/** Of a page of 6 MB. */
async function serve(pages: HeldPages) {
  const folder = mkdtempSync(join(tmpdir(), "patternd-pages-"));
  const path = join(folder, "store");
  const store = await openStore("filesystem", { path, durability: "os", timezone: "UTC", readOnly: false });
  const notes = "x".repeat(100_000);
  await store.write(
    Array.from({ length: LINES }, (_, n) => parse(taskLine({ id: `p${n}`, data: { notes } }))),
  );
  const failures: unknown[] = [];
  const onFailed = (error: unknown) => failures.push(error);
  const app = new Hono().get("/v1/patterns", (c) => patterns(c, { store, pages, onFailed }));
  const socketPath = join(folder, "query.sock");
  const server = await ControlServer.listen(
    { load: async () => app, onFailed },
    { socket: socketPath, fd: undefined, mode: 0o600 },
  );
  onTestFinished(async () => {
    server.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const ask = (question: string, headers = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      get({ socketPath, path: question, headers, agent: false }, resolve).on("error", reject);
    });
  return { ask, failures };
}

async function linesOf(response: IncomingMessage): Promise<number> {
  return (await text(response)).split("\n").length - 1;
}

test("one that is not read is in the way of large pages only", async () => {
  const { ask, failures } = await serve(new HeldPages(1, 600_000));
  const unread = await ask(LARGE);
  let isAnswered = false;
  const next = ask(LARGE).then((response) => {
    isAnswered = true;
    return linesOf(response);
  });
  expect(await linesOf(await ask(SMALL))).toBe(1);
  expect(await linesOf(await ask(LARGE, { te: "trailers" }))).toBe(LINES);
  expect(await linesOf(await ask("/v1/patterns?limit=999999"))).toBe(LINES);
  expect(isAnswered).toBe(false);
  unread.destroy();
  expect(await next).toBe(LINES);
  expect(failures).toEqual([]);
});

test("who takes nothing is hung up on after a while, and the next one has the room", async () => {
  const { ask, failures } = await serve(new HeldPages(1, 300));
  const unread = await ask(LARGE);
  expect(await linesOf(await ask(LARGE))).toBe(LINES);
  await expect(text(unread)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(failures).toEqual([]);
});

test("who takes a little at a time has it all", async () => {
  const { ask } = await serve(new HeldPages(1, 300));
  const slow = await ask(LARGE);
  let bytes = 0;
  const began = Date.now();
  for await (const chunk of slow) {
    bytes += chunk.length;
    await setTimeout(10);
  }
  expect(bytes).toBe(Number(slow.headers["content-length"]));
  expect(Date.now() - began).toBeGreaterThan(600);
});

test("who goes in the middle leaves the room to the next one", async () => {
  const { ask, failures } = await serve(new HeldPages(1, 600_000));
  for (let n = 0; n < 3; n += 1) {
    const leaving = await ask(LARGE);
    const next = ask(LARGE);
    leaving.destroy();
    expect(await linesOf(await next)).toBe(LINES);
  }
  expect(failures).toEqual([]);
});
