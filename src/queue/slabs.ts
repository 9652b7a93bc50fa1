/**
 * Where lines wait: memory that is used again. A chunk of the socket's that waited would outlive the engine's quick
 * collections, and the slow ones let tens of MiB of such memory gather; copied here, chunks are gone at once, and the
 * size of a chunk says nothing about how long its lines may be held.
 */
import { type LineBlock, partOf } from "../pattern/lines.ts";

const SLAB_BYTES = 1024 * 1024;
/** What is kept where nothing waits any more. */
const MOST_AT_REST = 4;

/** One behind the other; used again when all that lay in it is released. */
interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Blocks that are not released yet. */
  held: number;
}

/** Lines in a slab. What is never released goes when nobody has it any more. */
export class HeldBlock {
  readonly block: LineBlock;
  readonly #slab: Slab;
  readonly #onReleased: (slab: Slab) => void;

  constructor(block: LineBlock, slab: Slab, onReleased: (slab: Slab) => void) {
    this.block = block;
    this.#slab = slab;
    this.#onReleased = onReleased;
    slab.held += 1;
  }

  /** The lines from `from` up to `to`, which are released by themselves. */
  part(from: number, to: number): HeldBlock {
    return new HeldBlock(partOf(this.block, from, to), this.#slab, this.#onReleased);
  }

  /** Nobody looks at its bytes any more. */
  release(): void {
    this.#slab.held -= 1;
    this.#onReleased(this.#slab);
  }
}

export class Slabs {
  readonly #free: Slab[] = [];
  #current: Slab | undefined;

  /** A copy. */
  hold({ bytes, bounds, terminated }: LineBlock): HeldBlock {
    const [first = 0, last = 0] = [bounds[0], bounds.at(-1)];
    const slab = this.#slabFor(last - first);
    const shift = slab.used - first;
    bytes.copy(slab.bytes, slab.used, first, last);
    slab.used += last - first;
    const block = { bytes: slab.bytes, bounds: bounds.map((bound) => bound + shift), terminated };
    return new HeldBlock(block, slab, (released) => this.#keep(released));
  }

  /**
   * For when the rush is over. Until then each is kept, however many there are: the engine is slow to collect what it
   * has had for a while, and new ones would be made meanwhile.
   */
  trim(): void {
    this.#free.length = Math.min(this.#free.length, MOST_AT_REST);
  }

  #slabFor(bytes: number): Slab {
    const current = this.#current;
    if (current && current.used + bytes <= current.bytes.length) return current;
    // A line that is longer than a slab has its own.
    const next = (bytes <= SLAB_BYTES ? this.#free.pop() : undefined) ?? {
      bytes: Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES)),
      used: 0,
      held: 0,
    };
    this.#current = next;
    if (current) this.#keep(current);
    return next;
  }

  #keep(slab: Slab): void {
    if (slab.held > 0) return;
    slab.used = 0;
    if (slab !== this.#current && slab.bytes.length === SLAB_BYTES) this.#free.push(slab);
  }
}
