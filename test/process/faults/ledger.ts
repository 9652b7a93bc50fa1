/** What senders sent, what the daemon promised them, and whether a store keeps the promises. */
import { connect, type Socket } from "node:net";
import { taskLine } from "../patterns.ts";

/** Lines in flight: more would not be sent before some are acknowledged. */
const WINDOW = 400;
const PER_WRITE = 40;
/** A day has room for a million and a half. */
const TICK_MS = 57;

interface Sent {
  readonly id: string;
  readonly version: number;
  readonly line: string;
}

/** One sender with ids of its own: new patterns, and newer versions of its earlier ones. */
export class AckingSender {
  /** By id, every line that was ever sent; the index is the version. */
  readonly #lines = new Map<string, string[]>();
  /** By id, the newest version that is acknowledged. */
  readonly #promised = new Map<string, number>();
  readonly #name: string;
  readonly #random: () => number;
  /** Unacknowledged, in order: to be sent again. */
  #open: Sent[] = [];
  #ids: string[] = [];
  #made = 0;

  readonly #month: string | undefined;

  /** `month`: of all its patterns, as YYYY-MM. */
  constructor(name: string, random: () => number, month?: string) {
    this.#name = name;
    this.#random = random;
    this.#month = month;
  }

  get promised(): number {
    return this.#promised.size;
  }

  /** Sends until the connection ends, or is to end. `onAck`: with each acknowledgement. */
  async run(socket: string, onAck: () => void, signal?: AbortSignal): Promise<void> {
    const connection = connect(socket);
    signal?.addEventListener("abort", () => connection.destroy(), { once: true });
    connection.on("error", () => {});
    const again = this.#open;
    this.#open = [];
    connection.write('{"hello":1,"ack":true}\n');
    this.#send(connection, again);
    let text = "";
    let acked = 0;
    connection.on("data", (chunk) => {
      text += chunk;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
        const reply = JSON.parse(text.slice(0, end));
        text = text.slice(end + 1);
        if (reply.reject) throw new Error(`expected no rejection, got ${JSON.stringify(reply)}`);
        if (typeof reply.ack === "number") {
          for (const sent of this.#open.splice(0, reply.ack - acked)) this.#promise(sent);
          acked = reply.ack;
          onAck();
        }
      }
      this.#fill(connection);
    });
    this.#fill(connection);
    await new Promise((resolve) => connection.once("close", resolve));
  }

  /** What of the promises a store breaks that answers with these lines, by id; and what it has that nobody sent. */
  faults(stored: ReadonlyMap<string, readonly string[]>): string[] {
    const faults: string[] = [];
    for (const [id, versions] of this.#lines) {
      const found = stored.get(id) ?? [];
      const promised = this.#promised.get(id);
      if (found.length > 1) faults.push(`${id} is there ${found.length} times`);
      if (found.length === 0 && promised !== undefined) faults.push(`${id} is lost (acknowledged)`);
      const version = found[0] === undefined ? undefined : versions.indexOf(found[0]);
      if (version === -1) faults.push(`${id} was altered: ${found[0]}`);
      else if (version !== undefined && version < (promised ?? 0)) {
        faults.push(`${id} is there as version ${version}, version ${promised} is acknowledged`);
      }
    }
    return faults;
  }

  knows(id: string): boolean {
    return this.#lines.has(id);
  }

  #fill(connection: Socket): void {
    while (!connection.destroyed && this.#open.length < WINDOW) {
      this.#send(
        connection,
        Array.from({ length: PER_WRITE }, () => this.#next()),
      );
    }
  }

  #send(connection: Socket, batch: readonly Sent[]): void {
    this.#open.push(...batch);
    if (batch.length > 0) connection.write(batch.map(({ line }) => `${line}\n`).join(""));
  }

  #next(): Sent {
    const isNew = this.#ids.length === 0 || this.#random() < 0.7;
    const id = isNew
      ? `${this.#name}-${this.#ids.length}`
      : (this.#ids[Math.floor(this.#random() * this.#ids.length)] ?? "");
    if (isNew) this.#ids.push(id);
    const lines = this.#lines.get(id) ?? [];
    const version = lines.length;
    // Versions of a pattern wander over days.
    const day = this.#month === undefined ? 1 + (version % 3) : 1 + Math.min(version, 27);
    const month = this.#month ?? `2026-0${3 + Math.floor(version / 3)}`;
    // Within a day they come in the order of time, as from a clock.
    this.#made += 1;
    const time = new Date(this.#made * TICK_MS).toISOString().slice(11);
    const timestamp = `${month}-${String(day).padStart(2, "0")}T${time}`;
    const line = taskLine({ id, timestamp, data: { tests_passed: version } });
    this.#lines.set(id, [...lines, line]);
    return { id, version, line };
  }

  #promise({ id, version }: Sent): void {
    this.#promised.set(id, Math.max(version, this.#promised.get(id) ?? 0));
  }
}

/** Everything that is wrong with what a store answers, over all senders. */
export function brokenPromises(senders: readonly AckingSender[], lines: readonly string[]): string[] {
  const stored = new Map<string, string[]>();
  for (const line of lines) {
    const id: string = JSON.parse(line).pattern_id;
    stored.set(id, [...(stored.get(id) ?? []), line]);
  }
  const unknown = [...stored.keys()].filter((id) => !senders.some((sender) => sender.knows(id)));
  return [
    ...unknown.map((id) => `${id} was never sent`),
    ...senders.flatMap((sender) => sender.faults(stored)),
  ];
}

/** The sender goes on; resolves after so many acknowledgements. */
export async function acknowledgements(sender: AckingSender, socket: string, count: number): Promise<void> {
  const stop = new AbortController();
  let left = count;
  await sender.run(
    socket,
    () => {
      left -= 1;
      if (left === 0) stop.abort();
    },
    stop.signal,
  );
}
