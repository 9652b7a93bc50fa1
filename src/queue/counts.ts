import type { RejectionCode } from "../pattern/rejection.ts";
import type { LineCounts, Settlement } from "../pattern/settlement.ts";

export class Counts {
  received = 0;
  readonly #settled = { stored: 0, replaced: 0, superseded: 0, rejected: 0, not_collected: 0 };
  readonly #rejectedByCode = new Map<RejectionCode, number>();

  settle(settlement: Settlement): void {
    this.#settled[settlement.kind] += 1;
    if (settlement.kind !== "rejected") return;
    const { code } = settlement.line.rejection;
    this.#rejectedByCode.set(code, (this.#rejectedByCode.get(code) ?? 0) + 1);
  }

  snapshot(): LineCounts {
    const { stored, replaced, superseded, rejected, not_collected } = this.#settled;
    return {
      received: this.received,
      stored,
      replaced,
      superseded,
      rejected,
      not_collected,
      in_flight: this.received - stored - replaced - superseded - rejected - not_collected,
      rejected_by_code: Object.fromEntries(this.#rejectedByCode),
    };
  }
}
