/** Upper bounds of the buckets, seconds: from a read of the store to a request that somebody gave up on. */
export const durationBounds = [
  0.00025, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const;

/** Histogram of durations. Cheap enough for every read and every request. */
export class Durations {
  /** Per bucket (not cumulative); the last is what took longer than every bound. */
  readonly counts = new Float64Array(durationBounds.length + 1);
  sumSeconds = 0;
  count = 0;

  observeMs(ms: number): void {
    const seconds = ms / 1000;
    let bucket = 0;
    for (const bound of durationBounds) {
      if (seconds <= bound) break;
      bucket += 1;
    }
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumSeconds += seconds;
    this.count += 1;
  }

  /** Null before the first observation. */
  meanMs(): number | null {
    return this.count === 0 ? null : (this.sumSeconds * 1000) / this.count;
  }
}

type Labels = Readonly<Record<string, string>>;

/**
 * Something that a part of the hub counts by itself and is asked for when somebody scrapes: parts know nothing of
 * Prometheus. `name` has no prefix and ends in its unit (`_seconds`, `_bytes`) or, when it only grows, in `_total`.
 */
export type Metric = { readonly name: string; readonly help: string } & (
  | {
      readonly kind: 'counter' | 'gauge';
      readonly read: () => readonly { readonly labels?: Labels; readonly value: number }[];
    }
  | {
      readonly kind: 'durations';
      readonly read: () => readonly { readonly labels?: Labels; readonly durations: Durations }[];
    }
);
