/** What fails and works again, over and over, in few log lines: on a slow disk that can be every second. */
import { errorFields, type Log, type LogEvent } from "../log.ts";

/** After a failure was said, further ones of the same part are only counted for so long. */
const QUIET_MS = 10_000;

export interface FailureEvents {
  readonly failed: LogEvent;
  /** Undefined where another event says it. */
  readonly recovered: LogEvent | undefined;
}

interface State {
  isFailing: boolean;
  /** Whether the last that the log says of it is that it fails. */
  isSaid: boolean;
  /** Failures that are counted and not said yet, and the error of the last one. */
  unsaid: number;
  error: unknown;
  /** Runs while others are only counted. */
  quiet: NodeJS.Timeout | undefined;
}

export class FailureLog<Part extends string> {
  readonly #log: Log;
  readonly #events: Readonly<Record<Part, FailureEvents>>;
  readonly #states = new Map<Part, State>();

  constructor(log: Log, events: Readonly<Record<Part, FailureEvents>>) {
    this.#log = log;
    this.#events = events;
  }

  failed(part: Part, error: unknown): void {
    const state = this.#stateOf(part);
    state.isFailing = true;
    state.error = error;
    state.unsaid += 1;
    if (!state.quiet) this.#say(part, state);
  }

  recovered(part: Part): void {
    const state = this.#stateOf(part);
    state.isFailing = false;
    if (state.isSaid) this.#sayRecovered(part, state);
  }

  /** Says what is not said yet, and nothing later. */
  close(): void {
    for (const [part, state] of this.#states) {
      this.#catchUp(part, state);
      clearTimeout(state.quiet);
    }
  }

  #say(part: Part, state: State): void {
    const times = state.unsaid > 1 ? { times: state.unsaid } : {};
    this.#log("error", this.#events[part].failed, { ...errorFields(state.error), ...times });
    state.unsaid = 0;
    state.isSaid = true;
    state.quiet = setTimeout(() => this.#catchUp(part, state), QUIET_MS).unref();
  }

  #sayRecovered(part: Part, state: State): void {
    state.isSaid = false;
    const { recovered } = this.#events[part];
    if (recovered) this.#log("info", recovered);
  }

  #catchUp(part: Part, state: State): void {
    clearTimeout(state.quiet);
    state.quiet = undefined;
    if (state.unsaid === 0) return;
    this.#say(part, state);
    if (!state.isFailing) this.#sayRecovered(part, state);
  }

  #stateOf(part: Part): State {
    const known = this.#states.get(part);
    if (known) return known;
    const state = { isFailing: false, isSaid: false, unsaid: 0, error: undefined, quiet: undefined };
    this.#states.set(part, state);
    return state;
  }
}
