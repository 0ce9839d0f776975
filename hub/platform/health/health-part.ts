import type { Finding } from '#hub/kernel/finding.ts';
import type { Metric } from './metric.ts';

/** A figure of a part, for people: `{ name: 'freeBytes', title: 'Free', unit: 'bytes', value: 1073741824 }`. */
export interface Figure {
  /** Unique in its part, with the unit last. */
  readonly name: string;
  readonly title: string;
  readonly unit: 'bytes' | 'count' | 'milliseconds' | 'seconds' | 'time' | 'text' | 'yesNo';
  /** `time` is UTC ms. null: not known (yet). */
  readonly value: number | string | boolean | null;
}

/** A part of the hub as the health report, `doctor`, and the metrics see it. */
export interface HealthPart {
  /** One word, stable: `store`. Ids of its findings begin with it. */
  readonly name: string;
  readonly title: string;
  /** Returns current problems. A part that throws or takes longer than five seconds becomes a finding itself. */
  readonly findings?: () => Promise<readonly Finding[]>;
  readonly figures?: () => Promise<readonly Figure[]>;
  readonly metrics?: readonly Metric[];
}
