import { realpathSync } from "node:fs";
import { createRequire } from "node:module";

/** Exact, but slow to load: a command that reads no time without a zone never needs it. */
const temporal = (): typeof import("temporal-polyfill") => {
  loaded ??= createRequire(import.meta.url)("temporal-polyfill");
  return loaded ?? temporal();
};
let loaded: typeof import("temporal-polyfill") | undefined;

const SLOT_MS = 15 * 60 * 1000;
const MAX_SLOTS = 10_000;

const UTC = "UTC";

/** False if in doubt: then `Intl` knows. To ask it takes 8 MiB and 10 ms, which a host in UTC needs for nothing else. */
function isHostInUtc(): boolean {
  const { TZ } = process.env;
  if (TZ !== undefined) return TZ === UTC;
  try {
    return /\/UTC$/.test(realpathSync("/etc/localtime"));
  } catch {
    return false;
  }
}

/**
 * Reads wall-clock times in one IANA zone. Where clocks are set back and a time occurs twice, the earlier
 * instant is taken; where they are set forward, a time that does not exist is read with the offset in force
 * after the gap (Temporal's "earlier"). The offset is remembered per quarter of an hour, which makes the exact
 * but slow calendar arithmetic rare: patterns arrive with times close to one another.
 */
export class Zone {
  readonly id: string;
  readonly #offsets = new Map<number, number | null>();

  /** @throws RangeError if the id is not a zone that the host knows. */
  constructor(id: string) {
    this.id = id === UTC ? id : new Intl.DateTimeFormat("en", { timeZone: id }).resolvedOptions().timeZone;
  }

  /** The zone of this process (`TZ`, else the host's). An empty `TZ` means UTC to POSIX, but has no name in Node. */
  static host(): Zone {
    if (isHostInUtc()) return new Zone(UTC);
    try {
      // Undefined where TZ names no zone, whatever the types say.
      const id: string | undefined = new Intl.DateTimeFormat().resolvedOptions().timeZone;
      return new Zone(id ?? UTC);
    } catch {
      return new Zone(UTC);
    }
  }

  /** Wall-clock milliseconds (as if they were UTC) to milliseconds since the epoch. */
  toEpochMs(wallMs: number): number {
    if (this.id === UTC) return wallMs;
    const slot = Math.floor(wallMs / SLOT_MS);
    let offset = this.#offsets.get(slot);
    if (offset === undefined) {
      offset = this.#constantOffset(slot);
      if (this.#offsets.size >= MAX_SLOTS) this.#offsets.clear();
      this.#offsets.set(slot, offset);
    }
    return offset === null ? wallMs - this.#offsetAt(wallMs) : wallMs - offset;
  }

  /** Milliseconds since the epoch to wall-clock milliseconds (as if they were UTC). */
  toWallMs(epochMs: number): number {
    if (this.id === UTC) return epochMs;
    const instant = temporal().Temporal.Instant.fromEpochMilliseconds(epochMs);
    return epochMs + instant.toZonedDateTimeISO(this.id).offsetNanoseconds / 1e6;
  }

  /** The offset in force through a whole slot, or null when clocks change in it. */
  #constantOffset(slot: number): number | null {
    const first = this.#offsetAt(slot * SLOT_MS);
    return first === this.#offsetAt((slot + 1) * SLOT_MS - 1) ? first : null;
  }

  #offsetAt(wallMs: number): number {
    const wall = temporal()
      .Temporal.Instant.fromEpochMilliseconds(wallMs)
      .toZonedDateTimeISO("UTC")
      .toPlainDateTime();
    return wallMs - wall.toZonedDateTime(this.id, { disambiguation: "earlier" }).epochMilliseconds;
  }
}
