import { type Block, sizeOf } from "./block-index.ts";

const CACHED_BYTES = 4 * 1024 * 1024;

/** Blocks that were read last: who sends known ids sends many of them, which stand together. */
export class BlockCache {
  /** The least recently used first. */
  readonly #blocks = new Map<string, readonly Block[]>();
  #bytes = 0;

  get(key: string, read: () => readonly Block[]): readonly Block[] {
    let blocks = this.#blocks.get(key);
    if (!blocks) {
      blocks = read();
      this.#bytes += bytesOf(blocks);
    }
    this.#blocks.delete(key);
    this.#blocks.set(key, blocks);
    for (const [oldest, old] of this.#blocks) {
      if (this.#bytes <= CACHED_BYTES || oldest === key) break;
      this.#blocks.delete(oldest);
      this.#bytes -= bytesOf(old);
    }
    return blocks;
  }

  clear(): void {
    this.#blocks.clear();
    this.#bytes = 0;
  }
}

function bytesOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, block) => sum + sizeOf(block), 0);
}
