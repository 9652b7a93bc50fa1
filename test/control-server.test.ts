/** What answers is loaded with the first request. */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get, ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { Hono } from "hono";
import * as v from "valibot";
import { describe, expect, onTestFinished, test } from "vitest";
import { ControlServer } from "../src/control/server.ts";

async function serve(load: () => Promise<Hono>) {
  const folder = mkdtempSync(join(tmpdir(), "patternd-served-"));
  const socket = join(folder, "query.sock");
  const failures: unknown[] = [];
  const onFailed = (error: unknown) => failures.push(error);
  const server = await ControlServer.listen({ load, onFailed }, { socket, fd: undefined, mode: 0o600 });
  onTestFinished(() => {
    server.stop();
    rmSync(folder, { recursive: true });
  });
  return { socket, failures };
}

async function ask(
  socketPath: string,
  path: string,
  agent?: Agent,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path, agent }, async (response) => {
      resolve({ status: response.statusCode, body: await text(response) });
    }).on("error", reject);
  });
}

/** The server has seen by then what came before. */
async function turnOf(path: string): Promise<void> {
  const socket = connect(path);
  socket.end("not HTTP\r\n\r\n");
  expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /);
}

const app = (onAsked: (path: string) => void = () => {}) =>
  new Hono().get("*", (c) => {
    onAsked(c.req.path);
    return c.text(c.req.path);
  });

const question = (path: string) => `GET ${path} HTTP/1.1\r\nHost: patternd\r\n\r\n`;

describe("one question at a time on a connection", () => {
  async function serveSlow() {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const asked: string[] = [];
    const { socket } = await serve(async () =>
      new Hono()
        .use(async (c, next) => {
          asked.push(c.req.path);
          await next();
        })
        // As a page is: all of it is there, and the end of it comes when the store has been told.
        .get("/page", () => {
          const page = async function* () {
            yield Buffer.from("page");
            await ended;
          };
          return new Response(ReadableStream.from(page()), { headers: { "content-length": "4" } });
        })
        .get("*", (c) => c.text(c.req.path)),
    );
    return { socket, asked, end };
  }

  test("who has the whole of an answer can ask again, and is answered after its end", async () => {
    const { socket, asked, end } = await serveSlow();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    expect(await ask(socket, "/page", agent)).toEqual({ status: 200, body: "page" });
    const next = ask(socket, "/next", agent);
    await turnOf(socket);
    expect(asked).toEqual(["/page"]);
    end();
    expect(await next).toEqual({ status: 200, body: "/next" });
    for (const path of ["/a", "/b"])
      expect(await ask(socket, path, agent)).toEqual({ status: 200, body: path });
  });

  test("one may wait, and who sends another is hung up on", async () => {
    const { socket, asked, end } = await serveSlow();
    const patient = connect(socket);
    patient.write(question("/page") + question("/next"));
    await turnOf(socket);
    const eager = connect(socket);
    eager.write(question("/page") + question("/waiting") + question("/more"));
    expect(await text(eager)).not.toContain("/waiting");
    end();
    let answers = "";
    for await (const bytes of patient) {
      answers += bytes;
      if (answers.endsWith("/next")) break;
    }
    expect(answers).toContain("page");
    expect(asked.filter((path) => path !== "/page")).toEqual(["/next"]);
  });
});

test("the limit that an answer had is not that of the next one", async () => {
  const LIMIT_MS = 50;
  const bindings = v.object({ outgoing: v.instance(ServerResponse) });
  const { socket } = await serve(async () =>
    new Hono()
      .get("/page", (c) => {
        v.parse(bindings, c.env).outgoing.setTimeout(LIMIT_MS);
        return c.text("page");
      })
      .get("/next", async (c) => {
        await setTimeout(4 * LIMIT_MS);
        return c.text("next");
      }),
  );
  const asker = connect(socket);
  asker.write(question("/page") + question("/next"));
  let answers = "";
  for await (const bytes of asker) {
    answers += bytes;
    if (answers.endsWith("next")) break;
  }
  expect(answers).toMatch(/page(?:.|\r\n)*next$/);
});

test("who hangs up is seen to have gone behind a body, too", async () => {
  let saw = () => {};
  const gone = new Promise<void>((resolve) => {
    saw = resolve;
  });
  let begun = () => {};
  const asked = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { socket } = await serve(async () =>
    new Hono().all("*", async (c) => {
      c.req.raw.signal.addEventListener("abort", saw);
      begun();
      await gone;
      return c.text("");
    }),
  );
  const asker = connect(socket);
  const body = "x".repeat(400_000);
  asker.write(`POST / HTTP/1.1\r\nHost: patternd\r\nContent-Length: ${body.length}\r\n\r\n`);
  asker.write(body);
  await asked;
  asker.destroy();
  await gone;
});

test("once, however many ask at first", async () => {
  let loads = 0;
  const { socket } = await serve(async () => {
    loads += 1;
    return app();
  });
  expect(loads).toBe(0);
  const paths = ["/a", "/b", "/c"];
  expect(await Promise.all(paths.map((path) => ask(socket, path)))).toEqual(
    paths.map((body) => ({ status: 200, body })),
  );
  expect(loads).toBe(1);
});

test("if that fails it is an answer, too, and the next one may have better luck", async () => {
  const failure = new Error("too many open files");
  let isFailing = true;
  const { socket, failures } = await serve(async () => {
    if (isFailing) throw failure;
    return app();
  });
  expect(await ask(socket, "/")).toEqual({ status: 500, body: "" });
  expect(failures).toEqual([failure]);
  isFailing = false;
  expect(await ask(socket, "/")).toEqual({ status: 200, body: "/" });
});

test("who has gone meanwhile is not answered", async () => {
  let loaded = (_: Hono) => {};
  let begun = () => {};
  const loading = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { socket, failures } = await serve(() => {
    begun();
    return new Promise((resolve) => {
      loaded = resolve;
    });
  });
  const asked: string[] = [];
  const gone = get({ socketPath: socket, path: "/gone" });
  const closed = new Promise((resolve) => gone.once("close", resolve));
  gone.on("error", () => {});
  await loading;
  gone.destroy();
  await closed;
  await turnOf(socket);
  const staying = ask(socket, "/staying");
  loaded(app((path) => asked.push(path)));
  expect(await staying).toEqual({ status: 200, body: "/staying" });
  expect({ asked, failures }).toEqual({ asked: ["/staying"], failures: [] });
});
