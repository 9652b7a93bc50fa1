import { type Batch, type Delivery, type SendOptions, sendLines } from "./ingest.ts";
import { leaveInOutbox, type Outbox } from "./outbox.ts";

/** `left`: no daemon promised anything for these lines; they wait in `file`. */
export type Sent =
  | Extract<Delivery, { kind: "settled" | "written" }>
  | { readonly kind: "left"; readonly file: string; readonly reason: string };

export interface SenderOptions extends SendOptions {
  /** Best first. */
  readonly sockets: readonly string[];
  readonly outbox: Outbox;
}

/**
 * To the first daemon that answers, else into the outbox. Once a daemon failed, everything that follows is left too:
 * a daemon that hangs costs one timeout, not one a batch.
 */
export class Sender {
  readonly #options: SenderOptions;
  #sockets: readonly string[];
  #failure: string | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#sockets = options.sockets;
  }

  /** @throws PatterndError `outbox_full`, `outbox_unusable`: these lines are lost. */
  async send(batch: Batch): Promise<Sent> {
    const delivery = this.#failure === undefined ? await this.#deliver(batch) : undefined;
    if (delivery) return delivery;
    const file = leaveInOutbox(this.#options.outbox, batch.bytes);
    return { kind: "left", file, reason: this.#failure ?? "no daemon answers" };
  }

  async #deliver(batch: Batch): Promise<Extract<Sent, Delivery> | undefined> {
    this.#failure = "no daemon answers";
    for (const socket of this.#sockets) {
      const delivery = await sendLines(socket, batch, this.#options);
      if (delivery.kind === "unreachable") continue;
      if (delivery.kind === "unsettled") {
        this.#failure = delivery.reason;
        return undefined;
      }
      this.#failure = undefined;
      this.#sockets = [socket];
      return delivery;
    }
    return undefined;
  }
}
