/** A store that a running daemon has open, by its sockets. */
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { type Report, reportSchema } from "../analysis/report-schema.ts";
import { type Answer, get, post, problemOf } from "../client/http.ts";
import { type Delivery, sendLines } from "../client/ingest.ts";
import type { LineRejection } from "../client/replies.ts";
import { socketIn } from "../config/places.ts";
import { clientSockets, readSocketPaths } from "../config/sockets.ts";
import { PatterndError, systemCode } from "../errors.ts";
import type { Pattern } from "../pattern/pattern.ts";
import { REJECTION_CODES } from "../pattern/rejection.ts";
import { writeInstant } from "../pattern/timestamp.ts";
import type { Outcome, Page, PageRequest } from "../store/backend.ts";
import type { Filter } from "../store/filter.ts";
import { decodeCursor, encodeCursor } from "../store/query.ts";
import { PatternError } from "./error.ts";
import type { HeldStore } from "./held.ts";
import { badRequest } from "./query.ts";

const PROBE_MS = 5_000;
/** The store may be busy; what is silent for longer is as good as gone. */
const SEND_MS = 30_000;
/** A page of few matches among many lines is silent until it is whole, and so is an analysis. */
const SEARCH_MS = 600_000;

const healthSchema = v.object({ store: v.object({ timezone: v.string() }) });
const jobSchema = v.object({ patterns: v.number(), files: v.number() });

interface Sockets {
  readonly ingest: string;
  readonly query: string;
  readonly control: string;
}

export interface DaemonPlace {
  readonly socket?: string | undefined;
  readonly config?: string | undefined;
}

/** The first one that answers. @throws PatterndError `daemon_unreachable` */
export async function findDaemon(place: DaemonPlace): Promise<HeldStore> {
  const { env } = process;
  const paths = readSocketPaths(env, place.config);
  const candidates = clientSockets(paths, env, place.socket).query;
  let failure: unknown;
  for (const query of place.socket === undefined ? candidates : candidates.slice(0, 1)) {
    try {
      const answer = await get(query, "/health", PROBE_MS);
      const health = v.safeParse(healthSchema, parsed(answer));
      if (!health.success) throw problemOf(answer);
      const { timezone } = health.output.store;
      return new DaemonStore(socketsOf(query, paths, place.socket ?? env.PATTERND_SOCKET), timezone);
    } catch (error) {
      failure ??= error;
      if (!["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(systemCode(error) ?? "")) throw error;
    }
  }
  throw failure;
}

/** The others of the daemon whose query socket this is: named beside it in the configuration, or in the same folder. */
function socketsOf(
  query: string,
  paths: Readonly<Record<keyof Sockets, { socket: string }>>,
  explicit = "",
): Sockets {
  const folder = dirname(query);
  if (explicit !== "" && dirname(resolve(explicit)) === folder) {
    return { ingest: resolve(explicit), query, control: socketIn(folder, "control") };
  }
  if (query === paths.query.socket) {
    return { ingest: paths.ingest.socket, query, control: paths.control.socket };
  }
  return { ingest: socketIn(folder, "ingest"), query, control: socketIn(folder, "control") };
}

class DaemonStore implements HeldStore {
  readonly timezone: string;
  readonly #sockets: Sockets;
  #isClosed = false;

  constructor(sockets: Sockets, timezone: string) {
    this.#sockets = sockets;
    this.timezone = timezone;
  }

  /** Each is `stored` that the daemon answers for: a receipt does not tell new ones from replaced and older ones. */
  async write(patterns: readonly Pattern[]): Promise<Outcome[]> {
    this.#requireOpen();
    if (patterns.length === 0) return [];
    const newline = Buffer.from("\n");
    const bytes = Buffer.concat(patterns.flatMap(({ line }) => [line, newline]));
    const batch = { bytes, lines: patterns.length };
    const delivery = await sendLines(this.#sockets.ingest, batch, { timeoutMs: SEND_MS, awaitReceipt: true });
    requireStored(delivery, patterns);
    return patterns.map(() => "stored");
  }

  async get(id: string): Promise<string | undefined> {
    // No pattern has an id that no URL can hold.
    if (id === "" || !id.isWellFormed()) return undefined;
    const answer = await this.#ask(`/v1/patterns/${encodeURIComponent(id)}`);
    if (answer.status === 200) return answer.body.replace(/\n$/, "");
    const problem = problemOf(answer);
    if (problem.code === "not_found") return undefined;
    throw problem;
  }

  async query(filter: Filter, page: PageRequest): Promise<Page> {
    const answer = await this.#ask(`/v1/patterns?${searchOf(filter, page)}`, SEARCH_MS);
    if (answer.status !== 200) throw problemOf(answer);
    const next = answer.headers["patternd-next"];
    return {
      lines: answer.body === "" ? [] : answer.body.replace(/\n$/, "").split("\n"),
      next: typeof next === "string" ? decodeCursor(next) : undefined,
    };
  }

  /** The daemon works out the periods itself, of what is asked for. */
  async analyse(filter: Filter): Promise<Report> {
    const answer = await this.#ask(`/v1/analysis?${searchOf(filter)}`, SEARCH_MS);
    const report = v.safeParse(reportSchema, parsed(answer));
    if (answer.status !== 200 || !report.success) throw problemOf(answer);
    return report.output;
  }

  async deleteOld(days: number | undefined): Promise<number> {
    const parameters = days === undefined ? "" : `?days=${days.toFixed(9)}`;
    return (await this.#order(`/v1/jobs/retention${parameters}`)).patterns;
  }

  async compressOld(days: number | undefined): Promise<number> {
    if (days !== undefined) {
      throw badRequest("afterDays: a daemon goes by its own configuration (compression.afterDays)");
    }
    return (await this.#order("/v1/jobs/compression")).files;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #ask(path: string, timeoutMs?: number): Promise<Answer> {
    this.#requireOpen();
    return get(this.#sockets.query, path, timeoutMs);
  }

  async #order(path: string): Promise<v.InferOutput<typeof jobSchema>> {
    this.#requireOpen();
    const answer = await post(this.#sockets.control, path);
    const job = v.safeParse(jobSchema, parsed(answer));
    if (answer.status === 200 && job.success) return job.output;
    if (answer.status !== 404) throw problemOf(answer);
    const message = `the daemon on ${this.#sockets.control} does not know POST ${path.replace(/\?.*/, "")}`;
    throw new PatterndError("not_found", message, { hint: "It is older than this library: update it." });
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new PatterndError("store_closed", "this storage is closed; the daemon goes on");
  }
}

/** @throws PatternError of the first one that the daemon refused; PatterndError if nothing is promised. */
function requireStored(delivery: Delivery, patterns: readonly Pattern[]): void {
  if (delivery.kind !== "settled") {
    const reason = delivery.kind === "written" ? "no receipt" : delivery.reason;
    throw new PatterndError("daemon_unreachable", `the daemon promised nothing: ${reason}`, {
      hint: "Save again once it answers: what arrived is not stored twice.",
    });
  }
  const [rejection] = delivery.rejections;
  if (rejection) throw errorOf(rejection, patterns);
  const { lines, stored, rejected, not_collected: notCollected } = delivery.receipt;
  if (stored === lines) return;
  throw badRequest(
    rejected > 0
      ? `the daemon refused ${rejected} of ${lines} patterns; patternd rejected list says why`
      : `${notCollected} of ${lines} patterns are of a type that the daemon does not collect`,
  );
}

function errorOf({ line, code, path, message }: LineRejection, patterns: readonly Pattern[]): Error {
  const known = REJECTION_CODES.find((each) => each === code);
  if (known === undefined) return new PatterndError("internal", `the daemon refused a pattern: ${message}`);
  const index = line - 1;
  const patternId = patterns[index]?.id;
  const rejection = { code: known, message, ...(path === undefined ? {} : { path }) };
  return new PatternError(
    patternId === undefined ? rejection : { ...rejection, patternId },
    patterns.length > 1 ? index : undefined,
  );
}

function searchOf(filter: Filter, { limit, after }: Partial<PageRequest> = {}): URLSearchParams {
  const {
    patternType,
    start,
    end,
    tags = [],
    agent,
    project,
    session,
    host,
    success,
    where = [],
    text,
  } = filter;
  const one = {
    patternType,
    startDate: start === undefined ? undefined : writeInstant(start),
    endDate: end === undefined ? undefined : writeInstant(end),
    agent,
    project,
    session,
    host,
    success,
    text,
    limit,
    cursor: after && encodeCursor(after),
  };
  const many = [
    ...tags.map((tag) => ["tags", tag] as const),
    ...where.map(({ path, value }) => ["where", `${path}=${value}`] as const),
  ];
  const search = new URLSearchParams();
  for (const [name, value] of [...Object.entries(one), ...many]) {
    if (value !== undefined) search.append(name, String(value));
  }
  return search;
}

function parsed({ body }: Answer): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
