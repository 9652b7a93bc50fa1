/** The configuration of a running daemon: read anew on demand, in effect as far as it can be without a restart. */
import { isDeepStrictEqual } from "node:util";
import type { Config } from "./resolve.ts";

/** What takes effect without a restart: whole sections, or single keys. docs/operations.md lists the same ones. */
export const RELOADABLE: readonly string[] = [
  "aside",
  "collect",
  "compression",
  "ingest.maxConnections",
  "log",
  "rejected.days",
  "rejected.maxBytes",
  "retention",
  "scheduleTimezone",
  "shutdown.timeoutMs",
  "types",
];

/** Sections whose keys are the user's, which change as one. */
const WHOLE = new Set(["collect", "types"]);

export interface Reloaded {
  /** Keys that are in effect now. */
  readonly changed: readonly string[];
  /** Keys that the daemon, as it was started, knows otherwise. */
  readonly restart: readonly string[];
}

export class LiveConfig {
  readonly #started: Config;
  #now: Config;
  readonly #appliers: ((config: Config) => void)[] = [];

  constructor(config: Config) {
    this.#started = config;
    this.#now = config;
  }

  /** Only the reloadable keys of it may be newer than the daemon. */
  get now(): Config {
    return this.#now;
  }

  /** Called with each new configuration, in order; they may not fail. */
  onReload(apply: (config: Config) => void): void {
    this.#appliers.push(apply);
  }

  reload(next: Config): Reloaded {
    const changed = differences(this.#now, next).filter(isReloadable);
    const restart = differences(this.#started, next).filter((key) => !isReloadable(key));
    for (const keys of [changed, restart]) keys.sort();
    this.#now = next;
    for (const apply of this.#appliers) apply(next);
    return { changed, restart };
  }
}

function isReloadable(key: string): boolean {
  return RELOADABLE.some((own) => key === own || key.startsWith(`${own}.`));
}

function differences(before: Config, after: Config): string[] {
  const old = flat(before);
  return [...flat(after)].flatMap(([key, value]) => (isDeepStrictEqual(old.get(key), value) ? [] : [key]));
}

/** By key, those in sections with the section's name before theirs. */
function flat({ file: _, ...config }: Config): Map<string, unknown> {
  const all = new Map<string, unknown>();
  for (const [name, value] of Object.entries(config)) {
    const isSection = typeof value === "object" && value !== null && !WHOLE.has(name);
    if (!isSection) all.set(name, value);
    else for (const [key, inner] of Object.entries(value)) all.set(`${name}.${key}`, inner);
  }
  return all;
}
