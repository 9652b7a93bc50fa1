/** Who answers a question: a daemon, else the configured store itself. */
import * as v from "valibot";
import { type Report, reportSchema } from "../analysis/report-schema.ts";
import { type Answer, get, problemOf } from "../client/http.ts";
import type { Config } from "../config/load.ts";
import type { Environment } from "../config/places.ts";
import { clientSockets } from "../config/sockets.ts";
import { systemCode } from "../errors.ts";
import { Zone } from "../pattern/zone.ts";
import type { Backend } from "../store/backend.ts";
import { openStore } from "../store/open.ts";
import {
  encodeCursor,
  MAX_PAGE_LIMIT,
  parseAnalysis,
  parseQuery,
  type QueryParameters,
} from "../store/query.ts";
import type { Wanted } from "./filters.ts";

const PROBE_MS = 5_000;
/** Ten million patterns take a minute. */
const ANALYSIS_MS = 600_000;

export interface AnswerPage {
  /** The stored lines, byte for byte, without newline. */
  readonly lines: readonly string[];
  /** Undefined at the end. */
  readonly next: string | undefined;
}

/** Every method may throw a PatterndError: what the daemon said, or what the store did. */
export interface Source {
  page(parameters: QueryParameters): Promise<AnswerPage>;
  get(id: string): Promise<string | undefined>;
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

/** Page after page, until as many patterns as wanted have come. The last page says where to go on. */
export async function* pagesOf(
  source: Source,
  { parameters, limit, cursor }: Wanted,
): AsyncGenerator<AnswerPage> {
  let left = limit;
  let from = cursor;
  do {
    const page = await source.page({
      ...parameters,
      limit: String(Math.min(left, MAX_PAGE_LIMIT)),
      cursor: from,
    });
    yield page;
    left -= page.lines.length;
    from = page.next;
  } while (left > 0 && from !== undefined);
}

function daemonSource(socketPath: string): Source {
  return {
    async page(parameters) {
      const answer = await get(socketPath, `/v1/patterns?${searchOf(parameters)}`);
      if (answer.status !== 200) throw problemOf(answer);
      const next = answer.headers["patternd-next"];
      return { lines: linesIn(answer.body), next: typeof next === "string" ? next : undefined };
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
    async page(parameters) {
      const { filter, page } = parseQuery(parameters, Zone.host());
      const { lines, next } = await store.query(filter, page);
      return { lines, next: next && encodeCursor(next) };
    },
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
