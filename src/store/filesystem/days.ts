import { DayView } from "./day.ts";
import { listDays } from "./layout.ts";
import { NOTHING, type Progress } from "./replaced.ts";

/**
 * The days as one question reads them. What came to a day after it was read, or after the days were listed, did
 * not come for this question: a version that is read later is not replaced by it.
 */
export class Days {
  /** Newest first. */
  readonly all: readonly number[];
  readonly #root: string;
  readonly #type: string | undefined;
  readonly #listed: ReadonlySet<number>;
  readonly #seen = new Map<number, ReadonlyMap<string, Progress>>();
  /** Of what this question does not read, once it is asked: by day and type. */
  readonly #others = new Map<string, Progress>();

  constructor(root: string, type: string | undefined) {
    this.#root = root;
    this.#type = type;
    this.all = listDays(root);
    this.#listed = new Set(this.all);
  }

  open(day: number, read: (view: DayView) => void): void {
    const view = this.view(day);
    try {
      read(view);
    } finally {
      view.close();
    }
  }

  /** The caller closes it. */
  view(day: number): DayView {
    const view = DayView.open(this.#root, day, this.#type, this.#progressOf);
    this.#seen.set(day, view.progress);
    return view;
  }

  readonly #progressOf = (day: number, type: string): Progress => {
    if (!this.#listed.has(day)) return NOTHING;
    const seen = this.#seen.get(day);
    if (seen && (this.#type === undefined || this.#type === type)) return seen.get(type) ?? NOTHING;
    const key = `${day} ${type}`;
    const known = this.#others.get(key);
    if (known) return known;
    const view = DayView.open(this.#root, day, type, () => NOTHING);
    view.close();
    const progress = view.progress.get(type) ?? NOTHING;
    this.#others.set(key, progress);
    return progress;
  };
}
