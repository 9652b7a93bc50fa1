/** The store as those who ask share it: however many come and go, it is asked little that nobody waits for. */
import { PatterndError } from "../errors.ts";
import type { Backend } from "../store/backend.ts";
import { Turns } from "./turns.ts";

/** So many questions go on side by side (`store/guarded.ts`): what is there already can't be taken back. */
const QUESTIONS = 4;
/** They take seconds each, and one goes on at a time. */
const WAITING_ANALYSES = 16;

export type AskedStore = Pick<Backend, "get" | "query" | "stats" | "analyse">;

export class SharedStore {
  readonly #store: AskedStore;
  readonly #questions = new Turns(QUESTIONS);
  readonly #analyses = new Turns(1);

  constructor(store: AskedStore) {
    this.#store = store;
  }

  /** As one asker has it, until they have gone. */
  for(gone: AbortSignal): AskedStore {
    const store = this.#store;
    return {
      // The writer answers it on the way.
      get: (id) => store.get(id),
      query: (filter, page) => this.#questions.run(gone, () => store.query(filter, page)),
      stats: () => this.#questions.run(gone, () => store.stats()),
      analyse: async (filter, periods) => {
        if (this.#analyses.waiting >= WAITING_ANALYSES)
          throw new PatterndError(
            "too_many_analyses",
            `${WAITING_ANALYSES} analyses wait for their turn already`,
          );
        return this.#analyses.run(gone, () => store.analyse(filter, periods, gone));
      },
    };
  }
}
