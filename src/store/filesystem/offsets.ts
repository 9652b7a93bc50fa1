/** Where lines stand after a rewriting, by where they stood: 16 bytes a line. */
export class OffsetMap {
  #from = new Float64Array(1024);
  #to = new Float64Array(1024);
  #size = 0;

  /** Both offsets must be above those that were added before. */
  add(from: number, to: number): void {
    if (this.#size === this.#from.length) {
      this.#from = doubled(this.#from);
      this.#to = doubled(this.#to);
    }
    this.#from[this.#size] = from;
    this.#to[this.#size] = to;
    this.#size += 1;
  }

  find(from: number): number | undefined {
    let low = 0;
    for (let high = this.#size; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((this.#from[middle] ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    return low < this.#size && this.#from[low] === from ? this.#to[low] : undefined;
  }
}

function doubled(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
