import * as v from "valibot";
import { type ErrorCode, messageOf, PatterndError } from "../errors.ts";

const STATUS: Partial<Record<ErrorCode, 400 | 404 | 503>> = {
  bad_request: 400,
  daemon_stopping: 503,
  not_found: 404,
  rejected_unusable: 503,
  store_failed: 503,
  store_closed: 503,
  too_many_analyses: 503,
  too_many_followers: 503,
};

/** An error as RFC 9457 problem details, with our code and hint. */
export const problemSchema = v.strictObject({
  type: v.literal("about:blank"),
  title: v.string(),
  status: v.picklist([400, 404, 405, 500, 503]),
  detail: v.string(),
  code: v.string(),
  hint: v.string(),
});
export type Problem = v.InferOutput<typeof problemSchema>;

export function problemOf(error: unknown): Problem {
  const known = error instanceof PatterndError ? error : new PatterndError("internal", "the request failed");
  const status = STATUS[known.code] ?? 500;
  return {
    type: "about:blank",
    title: known.code.replaceAll("_", " "),
    status,
    detail: known.message,
    code: known.code,
    hint: known.hint,
  };
}

/** To what can't be made a request of, as one whose host is none. */
export function badQuestion(error: unknown): Response {
  return problemResponse(problemOf(new PatterndError("bad_request", messageOf(error), { cause: error })));
}

export function problemResponse(problem: Problem): Response {
  return new Response(`${JSON.stringify(problem)}\n`, {
    status: problem.status,
    headers: { "content-type": "application/problem+json" },
  });
}
