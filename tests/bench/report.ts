/** One measured figure. `limit` is in the same unit; null for a figure that stands beside another without a limit. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number | null;
  /** The limit is the least that is wanted; else the most. */
  readonly atLeast?: true;
  /** Whether the limit holds; true where there is none. */
  readonly holds: boolean;
}

export const row = (name: string, value: number, unit: string, limit: number | null = null): BenchRow => {
  const rounded = Math.round(value * 1000) / 1000;
  return { name, value: rounded, unit, limit, holds: limit === null || rounded <= limit };
};

/** A figure that must not be smaller than `limit`. */
export function rowAtLeast(name: string, value: number, unit: string, limit: number): BenchRow {
  const rounded = Math.round(value * 1000) / 1000;
  return { name, value: rounded, unit, limit, atLeast: true, holds: rounded >= limit };
}

/** The value below which `share` (0..1) of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** Prints a table for people and, as the last line, one JSON object. */
export function printReport(bench: string, rows: readonly BenchRow[]): void {
  const cells = rows.map((entry) => [
    entry.name,
    String(entry.value),
    entry.unit,
    entry.limit === null ? '' : `${entry.atLeast === true ? '>=' : '<='} ${entry.limit}`,
    entry.limit === null ? '' : entry.holds ? 'holds' : 'DOES NOT HOLD',
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...cells.map((cell) => (cell[column] ?? '').length)),
  );
  for (const cell of cells)
    process.stdout.write(
      `${cell.map((text, column) => (column === 1 ? text.padStart(widths[1] ?? 0) : text.padEnd(widths[column] ?? 0))).join('  ')}\n`,
    );
  process.stdout.write(`${JSON.stringify({ bench, rows })}\n`);
}
