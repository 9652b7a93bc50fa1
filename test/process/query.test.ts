import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { flushSchema } from "../openapi.ts";
import { type Answer, ask, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

function expectProblem(answer: Answer, status: number, detail: RegExp): void {
  expect(answer).toMatchObject({ status, headers: { "content-type": "application/problem+json" } });
  expect(JSON.parse(answer.body)).toEqual({
    type: expect.any(String),
    title: expect.any(String),
    status,
    detail: expect.stringMatching(detail),
    code: status === 404 ? "not_found" : "bad_request",
    hint: expect.any(String),
  });
}

/** Each names the parameter that is wrong. */
const BAD_PARAMETERS = [
  ["limit=0", /^limit: /],
  ["limit=x", /^limit: /],
  ["limit=1e3", /^limit: /],
  ["limit=1&limit=2", /^limit: /],
  ["startDate=yesterday", /^startDate: /],
  ["endDate=2026-02-30", /^endDate: /],
  ["success=yes", /^success: /],
  ["where=agent", /^where: /],
  ["where=data.agent%3Dx&where=", /^where/],
  ["cursor=x", /^cursor: /],
  ["patternType=", /^patternType: /],
  ["tag=backend", /tag\b/],
  ["__proto__=x", /__proto__/],
  ["constructor=x", /constructor/],
] as const;

describe.each(BACKENDS)("%s", (backend) => {
  test("wrong requests get problem details that say what is wrong", async () => {
    const { sockets } = await new Home().start({ backend });
    for (const [parameters, detail] of BAD_PARAMETERS) {
      const answer = await ask(sockets.query, `/v1/patterns?${parameters}`);
      expect([parameters, answer.status]).toEqual([parameters, 400]);
      expectProblem(answer, 400, detail);
    }
    expectProblem(await ask(sockets.query, "/v1/patterns/no%20such%20id"), 404, /"no such id"/);
    expectProblem(await ask(sockets.query, "/v1/nothing"), 404, /GET \/v1\/nothing/);
  });

  test("the query socket is for reading only", async () => {
    const { sockets } = await new Home().start({ backend });
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      for (const path of ["/v1/flush", "/v1/patterns", "/health"]) {
        const answer = await ask(sockets.query, path, method);
        expectProblem(answer, 405, new RegExp(`GET .*${method}`));
        expect(answer.headers.allow).toContain("GET");
      }
    }
  });

  test("the control socket answers all that the query socket does, and flushes", async () => {
    const { sockets } = await new Home().start({ backend });
    const line = taskLine({ id: "a" });
    await send(sockets.ingest, [lines(line)]);
    for (const socket of [sockets.query, sockets.control]) {
      expect(await ask(socket, "/v1/patterns/a")).toMatchObject({ status: 200, body: `${line}\n` });
      expect(await ask(socket, "/v1/patterns")).toMatchObject({ status: 200, body: `${line}\n` });
      expect(await ask(socket, "/health")).toMatchObject({ status: 200 });
    }
    const { status, body } = await ask(sockets.control, "/v1/flush", "POST");
    expect(status).toBe(200);
    expect(v.parse(flushSchema, JSON.parse(body))).toMatchObject({ lines: { stored: 1, in_flight: 0 } });
  });
});
