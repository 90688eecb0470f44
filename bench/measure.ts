/** Statistics of samples. Times are in milliseconds. */

/** The quantile for a share from 0 to 1; NaN if there are no values. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** The median of the ratios of rounds that ran in turn. It is less noisy than the ratio of the medians. */
export function pairedRatio(over: readonly number[], under: readonly number[]): number {
  return median(over.slice(0, under.length).map((value, round) => value / (under[round] as number)));
}

/** Rounds to four significant digits, as more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** A growing list of samples that needs no object for each. */
export class Samples {
  #values = new Float64Array(4096);
  #size = 0;

  add(value: number): void {
    if (this.#size === this.#values.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#size++] = value;
  }

  get size(): number {
    return this.#size;
  }

  all(): Float64Array {
    return this.#values.subarray(0, this.#size);
  }
}
