import { LogCollapsingLowestDenseDDSketch } from "@datadog/sketches-js";

/** So many are kept as they are. */
const EXACT = 500;
const SKETCH = { relativeAccuracy: 0.01, binLimit: 2_048 };

export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
}

/** Of any number of durations the median and the 95th percentile: exact up to 500, then within 1 %. */
export class Durations {
  #exact: number[] | undefined = [];
  #sketch: LogCollapsingLowestDenseDDSketch | undefined;

  /** @param ms at least 0 */
  add(ms: number): void {
    if (this.#exact && this.#exact.length < EXACT) {
      this.#exact.push(ms);
      return;
    }
    this.#sketch ??= this.#begin();
    this.#sketch.accept(ms);
  }

  /** Undefined if there were none. */
  quantiles(): Quantiles | undefined {
    const sketch = this.#sketch;
    if (sketch) {
      return {
        p50: Math.round(sketch.getValueAtQuantile(0.5)),
        p95: Math.round(sketch.getValueAtQuantile(0.95)),
      };
    }
    const sorted = (this.#exact ?? []).toSorted((a, b) => a - b);
    if (sorted.length === 0) return undefined;
    const nearestRank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    return { p50: nearestRank(0.5), p95: nearestRank(0.95) };
  }

  #begin(): LogCollapsingLowestDenseDDSketch {
    const sketch = new LogCollapsingLowestDenseDDSketch(SKETCH);
    for (const ms of this.#exact ?? []) sketch.accept(ms);
    this.#exact = undefined;
    return sketch;
  }
}
