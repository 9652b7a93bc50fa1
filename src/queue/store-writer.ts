import { PatterndError } from "../errors.ts";
import type { Lines } from "../pattern/lines.ts";
import type { Outcome, Settlement } from "../pattern/settlement.ts";
import { notStorable, type Parse, type Parsed, settlementsOf } from "./batch.ts";
import { type Condition, watched } from "./retry.ts";

export interface StoreWriterOptions<Patterns> {
  /** Durable when it resolves: one outcome for each of the batch's patterns, which are used up, even by a failure. */
  readonly write: (patterns: Patterns) => Promise<readonly Outcome[]>;
  /** Whether an error of `write` means that one of the patterns will never be taken. */
  readonly isRefusal: (error: unknown) => boolean;
}

/** The store as the queue sees it: takes batches, or fails. */
export class StoreWriter<Patterns> {
  readonly #options: StoreWriterOptions<Patterns>;
  readonly #condition: Condition;

  constructor(options: StoreWriterOptions<Patterns>, condition: Condition) {
    this.#options = options;
    this.#condition = condition;
  }

  /**
   * What became of each line. A batch that can't be written because of one pattern is halved until that one is
   * found; what `parse` makes of the halves then counts. `onLate`: no answer for a second, but one may still come.
   *
   * Rejects when the store fails; then the batch may be written again.
   */
  async write(
    lines: Lines,
    parsed: Parsed<Patterns>,
    parse: Parse<Patterns>,
    onLate: () => void = () => {},
  ): Promise<Settlement[]> {
    const sayLate = () => {
      this.#condition.failed(
        new PatterndError("store_failed", "the store has completed nothing for a second"),
      );
      onLate();
    };
    try {
      const settlements = await watched(() => this.#write(lines, parsed, parse), sayLate);
      this.#condition.works();
      return settlements;
    } catch (error) {
      this.#condition.failed(error);
      throw error;
    }
  }

  async #write(lines: Lines, parsed: Parsed<Patterns>, parse: Parse<Patterns>): Promise<Settlement[]> {
    let outcomes: readonly Outcome[] = [];
    try {
      if (parsed.refused.size < lines.length) outcomes = await this.#options.write(parsed.patterns);
    } catch (error) {
      if (!this.#options.isRefusal(error)) throw error;
      const [line, second] = lines;
      if (line && !second) return [{ kind: "rejected", line: notStorable(line, parsed.firstId, error) }];
      const middle = lines.length >> 1;
      const [before, after] = [lines.slice(0, middle), lines.slice(middle)];
      const settled = await this.#write(before, await parse(before), parse);
      return [...settled, ...(await this.#write(after, await parse(after), parse))];
    }
    return settlementsOf(lines, parsed, outcomes);
  }
}
