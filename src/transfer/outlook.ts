/** What the configured retention will think of patterns that come from the past. */
import type { Pattern } from "../pattern/pattern.ts";

const DAY_NS = 86_400_000_000_000n;
/** The most that the configuration takes: a hundred years. */
const FOREVER_DAYS = 36_500;

export interface RetentionRules {
  readonly days: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly keepTags: readonly string[];
}

export interface Outlook {
  /** How many of the records are older than they may be. */
  readonly older: number;
  /** The configuration's member that keeps them. */
  readonly keep: { readonly retention: { readonly days?: number; readonly byType?: Record<string, number> } };
}

export class RetentionOutlook {
  readonly #rules: RetentionRules;
  readonly #now: bigint;
  readonly #types = new Set<string>();
  #older = 0;

  constructor(rules: RetentionRules, now: Date) {
    this.#rules = rules;
    this.#now = BigInt(now.getTime()) * 1_000_000n;
  }

  add({ type, tags, instant }: Pattern): void {
    const { byType, days, keepTags } = this.#rules;
    if (tags.some((tag) => keepTags.includes(tag))) return;
    const own = Object.hasOwn(byType, type) ? byType[type] : undefined;
    if (instant >= this.#now - BigInt(own ?? days) * DAY_NS) return;
    this.#older += 1;
    this.#types.add(type);
  }

  /** Undefined if retention leaves them all alone. */
  outlook(): Outlook | undefined {
    if (this.#older === 0) return undefined;
    const { byType } = this.#rules;
    const own = [...this.#types].filter((type) => Object.hasOwn(byType, type));
    const isStandard = [...this.#types].some((type) => !Object.hasOwn(byType, type));
    const retention = {
      ...(isStandard ? { days: FOREVER_DAYS } : {}),
      ...(own.length === 0 ? {} : { byType: Object.fromEntries(own.map((type) => [type, FOREVER_DAYS])) }),
    };
    return { older: this.#older, keep: { retention } };
  }
}
