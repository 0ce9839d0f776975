import { toIso } from '#hub/kernel/time.ts';
import { type CsvCell, type CsvDelimiter, csvLines } from '#hub/platform/csv.ts';

/** One column of lines that are made from rows. */
export interface LineColumn {
  /** The column of the row. */
  readonly name: string;
  /** `time`: UTC ms as ISO 8601. `flag`: 0 or 1 as false or true. */
  readonly form?: 'time' | 'flag';
  /** Replaces each value, such as an id by a name; values without an entry become empty. */
  readonly words?: Readonly<Record<string, string>>;
}

/** A piece of a file: its lines as UTF-8, how many, and the last row that they were made from. */
export interface LinePiece {
  readonly lines: Uint8Array;
  readonly rows: number;
  readonly last: unknown;
}

const cellOf = (row: object, { name, form, words }: LineColumn): CsvCell => {
  const value: unknown = Reflect.get(row, name);
  if (words !== undefined) return typeof value === 'string' ? (words[value] ?? null) : null;
  if (form === 'time') return typeof value === 'number' ? toIso(value) : null;
  if (form === 'flag') return value === 1;
  return typeof value === 'string' || typeof value === 'number' ? value : null;
};

/** Rows -> CSV lines. Runs in the reader Worker, so that a long file costs the main thread next to nothing. */
export function rowsToLines(
  rows: readonly unknown[],
  columns: readonly LineColumn[],
  delimiter: CsvDelimiter,
): LinePiece {
  const cells = rows.map((row) =>
    typeof row === 'object' && row !== null ? columns.map((column) => cellOf(row, column)) : [],
  );
  return { lines: Buffer.from(csvLines(cells, delimiter)), rows: rows.length, last: rows.at(-1) ?? null };
}

/** A Worker's answer as a piece. */
export function isLinePiece(value: unknown): value is LinePiece {
  return typeof value === 'object' && value !== null && 'lines' in value && value.lines instanceof Uint8Array;
}
