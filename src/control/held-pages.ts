/** Pages that are held whole until their readers have them: few at once over all sockets, and none for ever. */
import type { ServerResponse } from "node:http";
import { Turns } from "./turns.ts";

const AT_ONCE = 4;
/** A reader may take nothing at all for so long, or for half of that, while others may wait for its room. */
const PATIENCE_MS = 30_000;

export class HeldPages {
  readonly #room: Turns;
  readonly #patienceMs: number;

  constructor(atOnce = AT_ONCE, patienceMs = PATIENCE_MS) {
    this.#room = new Turns(atOnce);
    this.#patienceMs = patienceMs;
  }

  /** Resolves when there is room for one more: until its answer is over, which `sent` sees to. */
  room(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
    const over = new Promise<void>((resolve) => outgoing.once("close", () => resolve()));
    return new Promise((begin, leave) => {
      const hold = () => {
        begin();
        return over;
      };
      this.#room.run(gone, hold).catch(leave);
    });
  }

  /** From now on it is the reader's turn. */
  sent(outgoing: ServerResponse): void {
    // Node lets a time go by before it calls what the kernel took at once the reader's progress.
    outgoing.setTimeout(this.#patienceMs / 2, () => outgoing.destroy());
  }
}
