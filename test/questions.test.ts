/** Questions take turns. One whose asker hangs up before its turn is never asked, and few analyses wait for theirs. */
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientRequest, get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Hono } from "hono";
import { describe, expect, onTestFinished, test } from "vitest";
import { queryRoutes } from "../src/control/routes.ts";
import { ControlServer } from "../src/control/server.ts";
import type { AskedStore } from "../src/control/shared-store.ts";
import { openStore } from "../src/store/open.ts";
import { answersOver } from "./answers-fixture.ts";

class Asker {
  #request: ClientRequest | undefined;
  readonly #response: Promise<IncomingMessage>;

  constructor(socketPath: string, path: string) {
    this.#response = new Promise((resolve, reject) => {
      this.#request = get({ socketPath, path, agent: false }, resolve).on("error", reject);
    });
    this.#response.catch(() => {});
  }

  hangUp(): void {
    this.#request?.destroy();
  }

  async answer(): Promise<{ status: number | undefined; body: string }> {
    const response = await this.#response;
    return { status: response.statusCode, body: await text(response) };
  }
}

/** A real store on a query socket, whose answers are given when the test says so. */
async function serve() {
  const folder = mkdtempSync(join(tmpdir(), "patternd-questions-"));
  const path = join(folder, "store");
  const store = await openStore("filesystem", { path, durability: "os", timezone: "UTC", readOnly: false });
  const events = new EventEmitter();
  const failures: unknown[] = [];
  const asked: (() => void)[] = [];
  const held = async <T>(work: () => Promise<T>) => {
    const told = new Promise<void>((resolve) => asked.push(resolve));
    events.emit("asked");
    await told;
    return work();
  };
  const asking: AskedStore = {
    get: (id) => store.get(id),
    query: (...question) => held(() => store.query(...question)),
    stats: () => held(() => store.stats()),
    analyse: (...question) => held(() => store.analyse(...question)),
  };
  const routes = queryRoutes(answersOver(asking, (error) => failures.push(error)));
  const app = new Hono();
  app.use(async (c, next) => {
    c.req.raw.signal.addEventListener("abort", () => events.emit("gone"));
    const answered = next();
    events.emit("arrived");
    await answered;
  });
  const socket = join(folder, "query.sock");
  const server = await ControlServer.listen(
    { load: async () => app.route("/", routes), onFailed: (error) => failures.push(error) },
    { socket, fd: undefined, mode: 0o600 },
  );
  onTestFinished(async () => {
    server.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const come = async (question: string) => {
    const arrived = once(events, "arrived");
    const asker = new Asker(socket, question);
    await arrived;
    return asker;
  };
  const leave = async (asker: Asker) => {
    const gone = once(events, "gone");
    asker.hangUp();
    await gone;
  };
  return { asked, failures, come, leave, events };
}

describe.each([
  ["/v1/analysis", 1],
  ["/v1/stats", 4],
  ["/v1/patterns", 4],
  ["/v1/patterns?limit=999999", 4],
  ["/v1/tail", 4],
])("%s, %i at once", (question, atOnce) => {
  test("whoever goes before their turn has none, and nothing has failed", async () => {
    const { asked, failures, come, leave, events } = await serve();
    const first: Asker[] = [];
    for (let n = 0; n < atOnce; n += 1) first.push(await come(question));
    const leaving: Asker[] = [];
    for (let n = 0; n < 10; n += 1) leaving.push(await come(question));
    const last = await come(question);
    for (const asker of leaving) await leave(asker);
    expect(asked.length).toBe(atOnce);
    const next = once(events, "asked");
    asked[0]?.();
    await next;
    expect(asked.length).toBe(atOnce + 1);
    for (const tell of asked) tell();
    if (question === "/v1/tail") last.hangUp();
    else expect(await last.answer()).toMatchObject({ status: 200 });
    expect({ asked: asked.length, failures }).toEqual({ asked: atOnce + 1, failures: [] });
  });
});

test("no more than 16 analyses wait", async () => {
  const { asked, failures, come, leave } = await serve();
  const first = await come("/v1/analysis");
  const waiting: Asker[] = [];
  for (let n = 0; n < 16; n += 1) waiting.push(await come("/v1/analysis"));
  const refused = await (await come("/v1/analysis")).answer();
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.body)).toMatchObject({ code: "too_many_analyses", hint: expect.any(String) });
  for (const asker of waiting) await leave(asker);
  await come("/v1/analysis");
  expect(asked.length).toBe(1);
  await leave(first);
  expect(failures).toEqual([expect.objectContaining({ code: "too_many_analyses" })]);
});
