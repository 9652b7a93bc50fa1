/** Answers that are written piece by piece, as their reader takes them. */
import { once } from "node:events";
import { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import * as v from "valibot";

const bindings = v.object({ outgoing: v.instance(ServerResponse) });

export const NDJSON = "application/x-ndjson";

/** Writes a piece, and waits for a slow reader. False when the reader has gone. */
export type Write = (piece: string) => Promise<boolean>;

export function outgoingOf(c: Context): ServerResponse {
  return v.parse(bindings, c.env).outgoing;
}

/**
 * Begins an answer of status 200 and lets `content` write it, which resolves to the trailers. `onFailed`: the answer
 * broke off, which its reader sees as a connection that ends in the middle.
 */
export function streamed(
  c: Context,
  headers: Readonly<Record<string, string>>,
  content: (write: Write, gone: AbortSignal) => Promise<Record<string, string>>,
  onFailed: (error: unknown) => void,
): Response {
  const outgoing = outgoingOf(c);
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  if (outgoing.closed || outgoing.destroyed) gone.abort();
  // HTTP/1.0 knows no chunks, and so no trailers: the end of the connection is the end of the answer.
  const isOld = outgoing.req.httpVersion === "1.0";
  const { trailer, ...others } = headers;
  outgoing.writeHead(200, isOld || trailer === undefined ? others : { ...others, trailer });
  if (c.req.method === "HEAD") {
    outgoing.end();
    return RESPONSE_ALREADY_SENT;
  }
  // Whoever waits for what is to come sees that it will.
  outgoing.flushHeaders();
  const finish = async () => {
    const trailers = await content((piece) => write(outgoing, piece, gone.signal), gone.signal);
    if (!isOld) outgoing.addTrailers(trailers);
    outgoing.end();
  };
  finish().catch((error: unknown) => {
    // What ends with its asker has not failed.
    if (!gone.signal.aborted) onFailed(error);
    outgoing.destroy();
  });
  return RESPONSE_ALREADY_SENT;
}

async function write(outgoing: ServerResponse, piece: string, gone: AbortSignal): Promise<boolean> {
  if (gone.aborted) return false;
  // Of a text Node would keep a copy beside it until it is read.
  if (piece !== "" && !outgoing.write(Buffer.from(piece))) {
    await once(outgoing, "drain", { signal: gone }).catch(() => {});
  }
  return !gone.aborted;
}
