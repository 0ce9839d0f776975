import { stringify } from 'csv-stringify/sync';

/** Value of a cell; null is an empty one. */
export type CsvCell = string | number | boolean | null;

/**
 * Rows as CSV lines (RFC 4180: CRLF, quotes doubled). Text that a spreadsheet would calculate (`=`, `+`, `-`, `@`, tab,
 * CR at its start, full-width forms too) gets an apostrophe in front.
 */
export const csvLines = (rows: readonly (readonly CsvCell[])[]): string =>
  stringify(
    rows.map((row) => [...row]),
    {
      escape_formulas: true,
      record_delimiter: 'windows',
      // The package quotes the whole delimiter only; a lone CR or LF ends a line for many readers.
      quoted_match: /[\r\n]/,
      cast: { boolean: String },
    },
  );
