import type { RejectionCode } from "../pattern/rejection.ts";
import type { LineCounts, Sender, Settlement } from "../pattern/settlement.ts";

export class Counts {
  readonly #put = { socket: 0, outbox: 0, replayed: 0 };
  readonly #settled = { stored: 0, replaced: 0, superseded: 0, rejected: 0, not_collected: 0 };
  readonly #rejectedByCode = new Map<RejectionCode, number>();

  put(origin: Sender["origin"]): void {
    this.#put[origin] += 1;
  }

  settle(settlement: Settlement): void {
    this.#settled[settlement.kind] += 1;
    if (settlement.kind !== "rejected") return;
    const { code } = settlement.line.rejection;
    this.#rejectedByCode.set(code, (this.#rejectedByCode.get(code) ?? 0) + 1);
  }

  snapshot(): LineCounts {
    const { stored, replaced, superseded, rejected, not_collected } = this.#settled;
    const put = this.#put.socket + this.#put.outbox + this.#put.replayed;
    return {
      received: this.#put.socket,
      from_outbox: this.#put.outbox,
      replayed: this.#put.replayed,
      stored,
      replaced,
      superseded,
      rejected,
      not_collected,
      in_flight: put - stored - replaced - superseded - rejected - not_collected,
      rejected_by_code: Object.fromEntries(this.#rejectedByCode),
    };
  }
}
