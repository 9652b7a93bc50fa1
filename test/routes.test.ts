/** What is asked in other ways than those that are answered. */
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { controlRoutes, queryRoutes } from "../src/control/routes.ts";
import { ControlServer } from "../src/control/server.ts";
import { openStore } from "../src/store/open.ts";
import { answersOver } from "./answers-fixture.ts";
import { parse } from "./conformance/patterns.ts";
import { taskLine } from "./process/patterns.ts";

async function serve(routes: typeof queryRoutes) {
  const folder = mkdtempSync(join(tmpdir(), "patternd-routes-"));
  const path = join(folder, "store");
  const store = await openStore("filesystem", { path, durability: "os", timezone: "UTC", readOnly: false });
  await store.write([parse(taskLine({ id: "one" }))]);
  const onFailed = (error: unknown) => {
    throw error;
  };
  const load = async () => routes(answersOver(store, onFailed));
  const socket = join(folder, "query.sock");
  const server = await ControlServer.listen({ load, onFailed }, { socket, fd: undefined, mode: 0o600 });
  onTestFinished(async () => {
    server.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return socket;
}

async function raw(socket: string, head: string): Promise<string> {
  const connection = connect(socket);
  connection.write(`${head}\r\n\r\n`);
  return text(connection);
}

test.each([
  ["POST", "/v1/jobs/retention?days=3650"],
  ["POST", "/v1/jobs/compression"],
  ["POST", "/v1/rejected/purge"],
  ["POST", "/v1/forget?id=one"],
  ["POST", "/v1/flush"],
  ["GET", "/v1/patterns"],
])("%s %s with a body is refused, not done without what the body says", async (method, path) => {
  const socketPath = await serve(controlRoutes);
  for (const headers of [{ "content-length": 11 }, { "transfer-encoding": "chunked" }]) {
    const answer = await new Promise<string>((resolve, reject) => {
      const asked = request({ socketPath, method, path, headers, agent: false }, (response) =>
        resolve(text(response)),
      );
      asked.on("error", reject).end("dryRun=true");
    });
    expect(JSON.parse(answer)).toMatchObject({
      status: 400,
      code: "bad_request",
      detail: "expected parameters in the URL, and no body",
    });
  }
});

test.each([
  "GET /v1/patterns HTTP/1.0",
  "GET /v1/patterns HTTP/1.1\r\nConnection: close\r\nHost:",
  "GET http://patternd/v1/patterns?limit=1 HTTP/1.1\r\nConnection: close\r\nHost: patternd",
  "GET /v1/patterns HTTP/1.1\r\nConnection: close\r\nHost: other:80\r\nContent-Length: 0",
])("%j is answered", async (head) => {
  expect(await raw(await serve(queryRoutes), head)).toMatch(/^HTTP\/1.1 200 (?:.|\r\n)*"pattern_id":"one"/);
});

test("what is no URL with its host is answered with a problem, too", async () => {
  const head = "GET /v1/patterns HTTP/1.1\r\nConnection: close\r\nHost: /run/patternd/query.sock";
  const answer = await raw(await serve(queryRoutes), head);
  expect(answer).toMatch(/^HTTP\/1.1 400 (?:.|\r\n)*application\/problem\+json/);
  expect(JSON.parse(answer.slice(answer.indexOf("{")))).toMatchObject({ status: 400, code: "bad_request" });
});
