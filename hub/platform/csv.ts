import { stringify } from 'csv-stringify/sync';

/** Value of a cell; null is an empty one. */
export type CsvCell = string | number | boolean | null;

/** What stands between cells. Spreadsheets in countries that write a decimal comma expect `;`. */
export const csvDelimiters = { comma: ',', semicolon: ';', tab: '\t' } as const;
export type CsvDelimiter = keyof typeof csvDelimiters;

/**
 * Rows as CSV lines (RFC 4180: CRLF, quotes doubled). Text that a spreadsheet would calculate (`=`, `+`, `-`, `@`, tab,
 * CR at its start, full-width forms too) gets an apostrophe in front.
 */
export const csvLines = (rows: readonly (readonly CsvCell[])[], delimiter: CsvDelimiter = 'comma'): string =>
  stringify(
    rows.map((row) => [...row]),
    {
      delimiter: csvDelimiters[delimiter],
      escape_formulas: true,
      record_delimiter: 'windows',
      // The package quotes the whole delimiter only; a lone CR or LF ends a line for many readers.
      quoted_match: /[\r\n]/,
      cast: { boolean: String },
    },
  );
