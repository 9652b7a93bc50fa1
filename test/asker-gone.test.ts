/** Whoever asks may hang up before the answer is complete: nobody looks for the rest of it then. */
import { mkdtempSync, rmSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import { HeldPages } from "../src/control/held-pages.ts";
import { patterns } from "../src/control/patterns.ts";
import { ControlServer } from "../src/control/server.ts";
import { PatternParser } from "../src/pattern/parse.ts";
import { Zone } from "../src/pattern/zone.ts";
import type { Backend } from "../src/store/backend.ts";
import { openStore } from "../src/store/open.ts";
import { taskLine } from "./process/patterns.ts";

const PIECES = 6;

/** With an answer of so many pieces. */
async function storeIn(folder: string): Promise<Backend> {
  const path = join(folder, "store");
  const store = await openStore("filesystem", { path, durability: "os", timezone: "UTC", readOnly: false });
  const parser = new PatternParser({ zone: new Zone("UTC") });
  const notes = "x".repeat(100_000);
  for (let n = 0; n < PIECES * 11; n += 1) {
    const parsed = parser.parseLine(Buffer.from(taskLine({ id: `p${n}`, data: { notes } })));
    if (parsed.kind !== "pattern") throw new Error(JSON.stringify(parsed));
    await store.write([parsed.pattern]);
  }
  return store;
}

test.each([
  ["a page", {}],
  ["a stream", { te: "trailers" }],
])("%s ends with its reader", async (_, headers) => {
  const folder = mkdtempSync(join(tmpdir(), "patternd-gone-"));
  const store = await storeIn(folder);
  let asked = 0;
  let onAsked = () => {};
  let goOn = () => {};
  let last: Promise<unknown> = Promise.resolve();
  const held = {
    query: async (...question: Parameters<Backend["query"]>) => {
      asked += 1;
      const hung = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      onAsked();
      if (asked === 2) await hung;
      const page = store.query(...question);
      last = page;
      return page;
    },
  };
  const answered: Promise<unknown>[] = [];
  const app = new Hono();
  app.use(async (c, next) => {
    answered.push(new Promise((resolve) => c.req.raw.signal.addEventListener("abort", resolve)));
    await next();
  });
  app.get("/v1/patterns", (c) => patterns(c, { store: held, pages: new HeldPages(), onFailed: () => {} }));
  const socket = join(folder, "query.sock");
  const onFailed = (error: unknown) => {
    throw error;
  };
  const server = await ControlServer.listen(
    { load: async () => app, onFailed },
    { socket, fd: undefined, mode: 0o600 },
  );
  onTestFinished(async () => {
    server.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const second = new Promise<void>((resolve) => {
    onAsked = () => {
      if (asked === 2) resolve();
    };
  });
  const request = get({ socketPath: socket, path: "/v1/patterns?limit=10000", headers });
  request.on("error", () => {});
  request.on("response", (response) => response.resume().on("error", () => {}));
  await second;
  request.destroy();
  await Promise.all(answered);
  goOn();
  for (let page: unknown; page !== last; await setImmediate()) {
    page = last;
    await last;
  }
  expect(asked).toBe(2);
});
