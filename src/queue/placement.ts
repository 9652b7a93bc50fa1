/** Where a parsed batch goes: into the store, and when that fails or takes longer than a second, into the spool. */
import type { Lines } from "../pattern/lines.ts";
import type { Settlement } from "../pattern/settlement.ts";
import { acceptedLines, acceptedOf, type Parse, type Parsed, settlementsOf } from "./batch.ts";
import type { Overflow } from "./overflow.ts";
import { type Condition, Late, Pause, retryDelayMs, watched } from "./retry.ts";
import { SpoolFull } from "./spool/spool.ts";
import type { StoreWriter } from "./store-writer.ts";

export interface PlacementOptions<Patterns> {
  readonly parse: Parse<Patterns>;
  readonly writer: StoreWriter<Patterns>;
  readonly overflow: Overflow<Patterns>;
  /** Of the store. */
  readonly storing: Condition;
  /** Of the way out of the spool. */
  readonly draining: Condition;
  /** Of the spool, where it is needed. One that is full while it is drained is none that fails. */
  readonly spooling: Condition;
}

export interface Placed {
  /** Of each line. */
  readonly settlements: readonly Settlement[];
  /** Whether nothing more happens to the lines: the store does not still work on them. */
  readonly isOver: boolean;
}

type Attempt =
  | { readonly kind: "settled"; readonly settlements: readonly Settlement[] }
  | { readonly kind: "failed" }
  /** No answer yet: one for each accepted line may still come. */
  | { readonly kind: "late"; readonly writing: Promise<readonly Settlement[]> };

export class Placement<Patterns> {
  readonly #options: PlacementOptions<Patterns>;
  readonly #pause = new Pause();
  #isHurried = false;
  #giveWay: () => void = () => {};

  constructor(options: PlacementOptions<Patterns>) {
    this.#options = options;
  }

  /** From now on nothing waits for the store. */
  hurry(): void {
    this.#isHurried = true;
    this.#giveWay();
    this.#pause.end();
  }

  /** What has no place yet gets none. */
  abandon(): void {
    this.#pause.endForGood();
  }

  /** There is more room in the spool, or nothing left in it. */
  retry(): void {
    this.#pause.end();
  }

  /**
   * What became of the lines; undefined if the queue was abandoned first. What is refused may depend on the clock:
   * the parse that was placed is the one that counts.
   */
  async place(lines: Lines, first: Parsed<Patterns>): Promise<Placed | undefined> {
    const { parse, overflow } = this.#options;
    let parsed: Parsed<Patterns> | undefined = first;
    let late: Promise<readonly Settlement[]> | undefined;
    for (let failures = 1; !this.#pause.isOver; failures += 1) {
      const judged: Parsed<Patterns> = parsed ?? (await parse(lines));
      if (judged.refused.size === lines.length) return this.#placed(settlementsOf(lines, judged, []), !late);
      if (!late && !this.#isHurried && !overflow.isActive) {
        const attempt = await this.#write(lines, judged);
        if (attempt.kind === "settled") return this.#placed(attempt.settlements, true);
        if (attempt.kind === "late") late = attempt.writing;
      }
      const accepted = acceptedLines(lines, judged);
      const error = await this.#spool(accepted, late);
      const spooled = Array.from(accepted, () => "spooled" as const);
      if (error === undefined) return this.#placed(settlementsOf(lines, judged, spooled), !late);
      const settled = await this.#wait(retryDelayMs(failures), late);
      if (settled === "failed") late = undefined;
      else if (settled) return this.#placed(merged(lines, judged, settled), false);
      // A batch that may still be written is the one that was parsed for it. Any other one is used up, or old.
      parsed = late && judged;
    }
    return undefined;
  }

  #placed(settlements: readonly Settlement[], isOver: boolean): Placed {
    this.#options.spooling.works();
    return { settlements, isOver };
  }

  async #write(lines: Lines, parsed: Parsed<Patterns>): Promise<Attempt> {
    const { writer, parse } = this.#options;
    const attempt = await new Promise<Attempt>((resolve) => {
      const giveWay = () => {
        const ofAccepted = writing.then((settlements) => acceptedOf(settlements, parsed));
        // Whoever takes it over looks at it later than it may fail.
        ofAccepted.catch(() => {});
        resolve({ kind: "late", writing: ofAccepted });
      };
      this.#giveWay = giveWay;
      const writing = writer.write(lines, parsed, parse, giveWay);
      writing.then(
        (settlements) => resolve({ kind: "settled", settlements }),
        () => resolve({ kind: "failed" }),
      );
    });
    // It would keep the whole batch alive.
    this.#giveWay = () => {};
    return attempt;
  }

  async #spool(lines: Lines, writing: Promise<readonly Settlement[]> | undefined): Promise<unknown> {
    const { overflow, storing, draining, spooling } = this.#options;
    try {
      await watched(
        () => overflow.take(lines, writing),
        () => spooling.failed(new Late()),
      );
      return undefined;
    } catch (error) {
      const isDrained = storing.failure === undefined && draining.failure === undefined;
      if (error instanceof SpoolFull && isDrained) spooling.works();
      else spooling.failed(error);
      return error;
    }
  }

  /** Ends early when the late write does, or when there may be room. */
  async #wait(
    ms: number,
    late: Promise<readonly Settlement[]> | undefined,
  ): Promise<readonly Settlement[] | "failed" | undefined> {
    const pause = this.#pause.wait(ms).then(() => undefined);
    if (!late) return pause;
    const settled = await Promise.race([pause, late.catch(() => "failed" as const)]);
    this.#pause.end();
    return settled;
  }
}

/** The settlements of the accepted lines, and what the others were refused for. */
function merged(lines: Lines, parsed: Parsed<unknown>, accepted: readonly Settlement[]): Settlement[] {
  const next = accepted.values();
  const others = settlementsOf(
    lines,
    parsed,
    Array.from(lines, () => "spooled" as const),
  );
  return others.map((other) => (other.kind === "spooled" ? (next.next().value ?? other) : other));
}
