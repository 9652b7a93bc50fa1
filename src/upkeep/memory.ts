/** The state of upkeep, kept in a text that outlives the process. */
import { type JobName, type JobState, parseState, type Run, stateText, type UpkeepState } from "./state.ts";

export interface StateText {
  /** Undefined if there is none yet. */
  read(): string | undefined;
  /** Durable when it returns. */
  write(text: string): void;
}

export class Memory {
  readonly #text: StateText;
  readonly #onFailed: (error: unknown) => void;
  #state: UpkeepState;

  /** @param onFailed told when the state can't be written: then it is as it should be until the process ends. */
  constructor(text: StateText, onFailed: (error: unknown) => void) {
    this.#text = text;
    this.#onFailed = onFailed;
    this.#state = parseState(text.read());
  }

  get state(): UpkeepState {
    return this.#state;
  }

  change(part: Partial<UpkeepState>): void {
    this.#state = { ...this.#state, ...part };
    try {
      this.#text.write(stateText(this.#state));
    } catch (error) {
      this.#onFailed(error);
    }
  }

  /** A run that has ended. `handled`: up to which moment the schedule has had its runs, if it was one of these. */
  record(job: JobName, run: Run, handled: number | undefined, part: Partial<UpkeepState> = {}): void {
    const before: JobState = this.#state[job];
    const runs = { ...before.runs, [run.outcome]: (before.runs[run.outcome] ?? 0) + 1 };
    const after = { ...before, last: run, runs, total: before.total + run.count };
    this.change({ ...part, [job]: handled === undefined ? after : { ...after, handled } });
  }
}
