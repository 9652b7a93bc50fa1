import { createHash } from "node:crypto";

/** What is remembered of an id that may not come back: its SHA-256, in hexadecimal digits. */
export function hashOfForgotten(id: string): string {
  return createHash("sha256").update(id, "utf8").digest("hex");
}

/** The ids that may not come back. While there are none, asking costs nothing. */
export class ForgottenIds {
  readonly #hashes: Set<string>;

  constructor(hashes: Iterable<string>) {
    this.#hashes = new Set(hashes);
  }

  get isEmpty(): boolean {
    return this.#hashes.size === 0;
  }

  has(id: string): boolean {
    return this.#hashes.size > 0 && this.#hashes.has(hashOfForgotten(id));
  }

  /** `remember` is told the hashes of those that are new, and makes them durable; they count once it returns. */
  add(ids: readonly string[], remember: (hashes: readonly string[]) => void): void {
    this.addHashes(ids.map(hashOfForgotten), remember);
  }

  /** The same of ids that only their hashes are known of. */
  addHashes(hashes: readonly string[], remember: (hashes: readonly string[]) => void): void {
    const added = new Set(hashes.filter((hash) => !this.#hashes.has(hash)));
    if (added.size > 0) remember([...added]);
    for (const hash of added) this.#hashes.add(hash);
  }
}
