/** HTTP over a Unix socket: one request a connection, and never a wait without an end. */
import { type ClientRequest, type IncomingHttpHeaders, request } from "node:http";
import * as v from "valibot";
import { isErrorCode, messageOf, PatterndError, systemCode } from "../errors.ts";

const REQUEST_MS = 30_000;
const ORDER_MS = 600_000;
const HANG_HINT =
  "It may hang: look at it with `patternd doctor`, or restart it, under systemd with `systemctl restart patternd` (`systemctl --user …` if it is a user's own).";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Asks for a path. Resolves whatever the status.
 *
 * @throws PatterndError `daemon_unreachable`, whose cause is the system's error: nobody listens, the connection
 *   broke; or the daemon was silent for `timeoutMs`.
 */
export function get(socketPath: string, path: string, timeoutMs = REQUEST_MS): Promise<Answer> {
  return send("GET", socketPath, path, timeoutMs);
}

/** Gives an order, which may take long: as `get`. */
export function post(socketPath: string, path: string, timeoutMs = ORDER_MS): Promise<Answer> {
  return send("POST", socketPath, path, timeoutMs);
}

function send(method: "GET" | "POST", socketPath: string, path: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(unreachable(socketPath, cause));
    const asked = request({ method, socketPath, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", fail);
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    boundSilence(asked, timeoutMs);
    asked.on("error", fail);
    asked.end();
  });
}

class Silence extends Error {}

/** Fails the request once nothing has come for `silentMs`. */
export function boundSilence(asked: ClientRequest, silentMs: number): void {
  asked.setTimeout(silentMs, () => asked.destroy(new Silence(`silent for ${silentMs} ms`)));
}

/** `daemon_unreachable`, for what a request failed with before there was an answer. */
export function unreachable(socketPath: string, cause: unknown): PatterndError {
  // There is a daemon, or was one.
  if (systemCode(cause) === "ECONNRESET") {
    return new PatterndError("daemon_unreachable", `the daemon on ${socketPath} hung up before it answered`, {
      cause,
      hint: "Ask again once a daemon answers; what was done stays done.",
    });
  }
  const reason = messageOf(cause);
  if (isHang(cause)) {
    const message = `the daemon on ${socketPath} does not answer: ${reason}`;
    return new PatterndError("daemon_unreachable", message, { cause, hint: HANG_HINT });
  }
  return new PatterndError("daemon_unreachable", `no daemon answers on ${socketPath}: ${reason}`, { cause });
}

/** Whether somebody listens, but does not answer: nothing came, or so many wait there that no more may (EAGAIN). */
export function isHang(error: unknown): boolean {
  const cause = error instanceof PatterndError ? error.cause : error;
  return cause instanceof Silence || systemCode(cause) === "EAGAIN";
}

const problemSchema = v.object({ detail: v.string(), code: v.string(), hint: v.optional(v.string()) });

/** What a daemon's refusal says (RFC 9457 problem details), as the error that it was there. */
export function problemOf(answer: Answer): PatterndError {
  if (answer.status === 431) {
    return new PatterndError("bad_request", "the question is longer than the 16 KiB that a daemon takes");
  }
  const problem = v.safeParse(problemSchema, parsed(answer.body));
  if (!problem.success) {
    return new PatterndError("internal", `the daemon answered with status ${answer.status}`);
  }
  const { code, detail, hint } = problem.output;
  return new PatterndError(isErrorCode(code) ? code : "internal", detail, hint === undefined ? {} : { hint });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
