/** Long answers of a daemon, as they come. */
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { messageOf, PatterndError } from "../errors.ts";
import { boundSilence, problemOf, unreachable } from "./http.ts";

export interface LineStream {
  /** Without newline; what came together comes together. */
  readonly lines: AsyncGenerator<readonly string[], void>;
  /** What came behind the last line; empty before the end. */
  readonly trailers: () => NodeJS.Dict<string>;
}

/**
 * Asks for NDJSON and resolves when it begins.
 *
 * @param silentMs how long the daemon may say nothing; for ever if undefined.
 * @throws PatterndError `daemon_unreachable`, also while lines are read; what the daemon refused with.
 */
export async function streamLines(
  socketPath: string,
  path: string,
  silentMs: number | undefined,
): Promise<LineStream> {
  const response = await begin(socketPath, path, silentMs);
  if (response.statusCode !== 200) {
    const { statusCode: status = 0, headers } = response;
    throw problemOf({ status, headers, body: await text(response) });
  }
  return { lines: linesOf(response, socketPath), trailers: () => response.trailers };
}

function begin(socketPath: string, path: string, silentMs: number | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false, headers: { te: "trailers" } }, resolve);
    if (silentMs !== undefined) boundSilence(asked, silentMs);
    asked.on("error", (cause) => reject(unreachable(socketPath, cause)));
    asked.end();
  });
}

async function* linesOf(
  response: IncomingMessage,
  socketPath: string,
): AsyncGenerator<readonly string[], void> {
  let rest: Buffer[] = [];
  try {
    for await (const chunk of response) {
      const bytes: Buffer = chunk;
      const end = bytes.lastIndexOf(10);
      if (end === -1) {
        rest.push(bytes);
        continue;
      }
      const whole = Buffer.concat([...rest, bytes.subarray(0, end)]).toString("utf8");
      rest = [bytes.subarray(end + 1)];
      yield whole.split("\n");
    }
  } catch (cause) {
    const message = `the daemon on ${socketPath} broke off its answer: ${messageOf(cause)}`;
    throw new PatterndError("daemon_unreachable", message, { cause });
  }
}
