import type { RejectionCode } from "../pattern/rejection.ts";
import type { LineCounts, Sender, Settlement } from "../pattern/settlement.ts";

export class Counts {
  readonly #put = { socket: 0, outbox: 0, replayed: 0 };
  readonly #settled = { stored: 0, replaced: 0, superseded: 0, rejected: 0, not_collected: 0 };
  readonly #rejectedByCode = new Map<RejectionCode, number>();
  #spooledAtStart = 0;
  #spooled = 0;
  #damaged = 0;

  put(origin: Sender["origin"], lines: number): void {
    this.#put[origin] += lines;
  }

  /** Lines in the spool are counted when they go in and when they go out, not when their sender is told. */
  settle(settlement: Settlement): void {
    if (settlement.kind === "spooled") return;
    this.#settled[settlement.kind] += 1;
    if (settlement.kind !== "rejected") return;
    const { code } = settlement.line.rejection;
    this.#rejectedByCode.set(code, (this.#rejectedByCode.get(code) ?? 0) + 1);
  }

  foundInSpool(lines: number): void {
    this.#spooledAtStart += lines;
    this.#spooled += lines;
  }

  spool(lines: number): void {
    this.#spooled += lines;
  }

  /** What became of a line of the spool. */
  unspool(settlement: Settlement): void {
    this.#spooled -= 1;
    this.settle(settlement);
  }

  damaged(lines: number): void {
    this.#spooled -= lines;
    this.#damaged += lines;
  }

  snapshot(): LineCounts {
    const { stored, replaced, superseded, rejected, not_collected } = this.#settled;
    const { socket, outbox, replayed } = this.#put;
    const all = socket + outbox + replayed + this.#spooledAtStart;
    const done = stored + replaced + superseded + rejected + not_collected + this.#damaged;
    return {
      received: socket,
      from_outbox: outbox,
      replayed,
      spooled_at_start: this.#spooledAtStart,
      stored,
      replaced,
      superseded,
      rejected,
      not_collected,
      spooled: this.#spooled,
      damaged: this.#damaged,
      in_flight: all - done - this.#spooled,
      rejected_by_code: Object.fromEntries(this.#rejectedByCode),
    };
  }
}
