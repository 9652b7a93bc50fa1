/** Who answers a question: a daemon, else the configured store itself. */
import * as v from "valibot";
import { type Report, reportSchema } from "../analysis/report-schema.ts";
import { type Answer, get, problemOf } from "../client/http.ts";
import { streamLines } from "../client/stream.ts";
import type { Config } from "../config/load.ts";
import type { Environment } from "../config/places.ts";
import { clientSockets } from "../config/sockets.ts";
import { systemCode } from "../errors.ts";
import { Zone } from "../pattern/zone.ts";
import { type StatsAnswer, statsAnswer, statsSchema } from "../store/answers.ts";
import type { Backend } from "../store/backend.ts";
import { openStore } from "../store/open.ts";
import { piecesOf } from "../store/pieces.ts";
import { encodeCursor, parseAnalysis, parseQuery, type QueryParameters } from "../store/query.ts";
import type { Wanted } from "./filters.ts";

const PROBE_MS = 5_000;
/** A rare text is looked for in everything before there is a line to answer. */
const SILENT_MS = 600_000;
/** Ten million patterns take a minute. */
const ANALYSIS_MS = 600_000;
const MOST = 999_999_999_999_999;

export interface AnswerPage {
  /** The stored lines, byte for byte, without newline. */
  readonly lines: readonly string[];
  /** Undefined at the end. */
  readonly next: string | undefined;
}

/** Every method may throw a PatterndError: what the daemon said, or what the store did. */
export interface Source {
  /** Piece by piece, as they are found, until as many have come as wanted. The last piece says where to go on. */
  pages(wanted: Wanted): AsyncGenerator<AnswerPage, void>;
  get(id: string): Promise<string | undefined>;
  stats(): Promise<StatsAnswer>;
  /** `limit` and `cursor` mean nothing here. */
  analyse(parameters: Wanted["parameters"]): Promise<Report>;
  close(): Promise<void>;
}

export interface SourceOptions {
  readonly env: Environment;
  /** What `--socket` says: this daemon or none. */
  readonly socket: string | undefined;
  /** Told in a line when it is not a daemon that answers. */
  readonly say: (line: string) => void;
}

/** @throws PatterndError `daemon_unreachable` if the one that was named is not there; what opening the store throws. */
export async function openSource(config: Config, options: SourceOptions): Promise<Source> {
  const daemon = await findDaemon(config, "query", options);
  if (daemon) return daemonSource(daemon.socket);
  const store = await openStore(config.backend, {
    path: config.path,
    durability: config.durability,
    timezone: config.timezone,
    readOnly: true,
  });
  options.say(`no daemon answers; reading ${config.backend} store ${config.path}`);
  return storeSource(store);
}

/**
 * The first daemon that answers on one of its sockets, with what it says of its health; undefined if there is none.
 *
 * @throws PatterndError `daemon_unreachable` if one was named, and when one is there that does not answer.
 */
export async function findDaemon(
  config: Config,
  name: "query" | "control",
  { env, socket, say }: SourceOptions,
): Promise<{ socket: string; health: Answer } | undefined> {
  const candidates = clientSockets(config, env, socket)[name];
  for (const path of socket === undefined ? candidates : candidates.slice(0, 1)) {
    try {
      return { socket: path, health: await get(path, "/health", PROBE_MS) };
    } catch (error) {
      if (socket !== undefined) throw error;
      const code = systemCode(error);
      if (code === "EACCES") say(`${path} belongs to a daemon that this user may not ask`);
      else if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ECONNREFUSED") throw error;
    }
  }
  return undefined;
}

function daemonSource(socketPath: string): Source {
  return {
    async *pages({ parameters, limit, cursor }) {
      const most = limit === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : limit;
      const search = searchOf({ ...parameters, limit: String(Math.min(most, MOST)), cursor });
      const { lines, trailers } = await streamLines(socketPath, `/v1/patterns?${search}`, SILENT_MS);
      for await (const piece of lines) yield { lines: piece, next: undefined };
      yield { lines: [], next: trailers()["patternd-next"] };
    },
    async stats() {
      const answer = await get(socketPath, "/v1/stats", SILENT_MS);
      if (answer.status !== 200) throw problemOf(answer);
      return v.parse(statsSchema, JSON.parse(answer.body));
    },
    async get(id) {
      const answer = await get(socketPath, `/v1/patterns/${encodeURIComponent(id)}`);
      if (answer.status === 200) return linesIn(answer.body)[0];
      const problem = problemOf(answer);
      if (problem.code === "not_found") return undefined;
      throw problem;
    },
    async analyse(parameters) {
      const answer = await get(socketPath, `/v1/analysis?${searchOf(parameters)}`, ANALYSIS_MS);
      if (answer.status !== 200) throw problemOf(answer);
      return v.parse(reportSchema, JSON.parse(answer.body));
    },
    async close() {},
  };
}

function storeSource(store: Backend): Source {
  return {
    async *pages({ parameters, limit, cursor }) {
      const { filter, page } = parseQuery({ ...parameters, cursor }, Zone.host());
      for await (const { lines, next } of piecesOf(store, filter, { ...page, limit }))
        yield { lines, next: next && encodeCursor(next) };
    },
    stats: async () => statsAnswer(await store.stats()),
    get: (id) => store.get(id),
    async analyse(parameters) {
      const { filter, periods } = parseAnalysis(parameters, Zone.host());
      return store.analyse(filter, periods);
    },
    close: () => store.close(),
  };
}

export function searchOf(parameters: QueryParameters): URLSearchParams {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) search.append(name, one);
  }
  return search;
}

function linesIn(body: string): string[] {
  return body === "" ? [] : body.replace(/\n$/, "").split("\n");
}
