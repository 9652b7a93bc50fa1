/** Counts by name, of which there may be any number: what is rare gives way, what is frequent stays. */
const KEPT = 1_000;
const MOST = 2 * KEPT;
const NAME_CHARS = 200;

export interface Counted {
  readonly name: string;
  count: number;
}

/**
 * Exact up to 2,000 names. Beyond, the rarer half is forgotten whenever there are more: a name that holds a larger
 * share than a thousandth is never among it for long, but may be counted a little short.
 */
export class Bounded<T extends Counted> {
  readonly #entries = new Map<string, T>();
  readonly #make: (name: string) => T;

  constructor(make: (name: string) => T) {
    this.#make = make;
  }

  /** The entry of a name, counted once more. */
  count(name: string): T {
    const key = shortened(name);
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= MOST) this.#forgetRare();
      entry = this.#make(key);
      this.#entries.set(key, entry);
    }
    entry.count += 1;
    return entry;
  }

  find(name: string): T | undefined {
    return this.#entries.get(name);
  }

  /** The most frequent first, equal ones by name. */
  ranked(): T[] {
    return [...this.#entries.values()].sort(
      (a, b) => b.count - a.count || (a.name < b.name ? -1 : Number(a.name > b.name)),
    );
  }

  #forgetRare(): void {
    for (const { name } of this.ranked().slice(KEPT)) this.#entries.delete(name);
  }
}

/** A copy: a slice would keep the whole text in memory. */
export function shortened(text: string, chars = NAME_CHARS): string {
  if (text.length <= chars) return text;
  return Buffer.from(`${text.slice(0, chars - 1).toWellFormed()}…`, "utf8").toString("utf8");
}
