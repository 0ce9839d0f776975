import type { ColumnValue } from '#hub/store/canonical-json.ts';

/**
 * One column of many rows, as `sync.append_rows` of the centre reads it: `v` the same in all; `d` a dictionary and each
 * row's place in it, from 1 on; `s` integers that count up from `b`; `n` integers as distances from `b`; `t` texts that
 * differ in numbers: templates in which `%s` stands for one, each row's template, and its numbers with `/` between
 * (template 0: the text itself); `u` UUIDs and `h` lower-case hexadecimal digits as `w` bytes each from offset `b` (zeros:
 * null); `a` each value. What each row has is a Postgres array literal.
 */
export type EncodedColumn =
  | { readonly k: 'v'; readonly d: Dictionary }
  | { readonly k: 'd'; readonly d: Dictionary; readonly a: string }
  | { readonly k: 's'; readonly b: number }
  | { readonly k: 'n'; readonly b: number; readonly a: string }
  | { readonly k: 't'; readonly d: Dictionary; readonly a: string; readonly n: string }
  | { readonly k: 'u' | 'h'; readonly b: number; readonly w: number }
  | { readonly k: 'a'; readonly a: string };

type Dictionary = readonly (string | null)[];

/** Rows of one append table, column by column. */
export interface Segment {
  readonly tbl: string;
  readonly n: number;
  /** The number of the first operation, and each one's distance from it; null where they have no gaps. */
  readonly first: number;
  readonly seqs: string | null;
  readonly columns: Readonly<Record<string, EncodedColumn>>;
}

/** Rows of one table as they were read, with the number of the operation that added each. */
export interface AppendedRows {
  readonly tbl: string;
  readonly names: readonly string[];
  readonly rows: readonly (readonly ColumnValue[])[];
  readonly seqs: readonly number[];
}

/** Dictionaries are looked through from their start for each row at the centre. */
const maxDictionary = 200;
const maxTemplates = 500;
/** A whole number that is a value in a JSON text. */
const numbersInJson = /(?<=:)\d{1,15}(?=[,}])/g;
const uuidChars = 36;

/** Encodes rows; UUIDs of columns in which they differ go to `bytes`, as many parts as there are such columns. */
export function encodeSegment(appended: AppendedRows, bytes: Buffer[], bytesBefore: number): Segment {
  const { tbl, names, rows, seqs } = appended;
  const columns: Record<string, EncodedColumn> = {};
  let offset = bytesBefore;
  for (const [place, name] of names.entries()) {
    const values = rows.map((row) => row[place] ?? null);
    const encoded = encodeColumn(values, offset);
    if (encoded.bytes !== undefined) {
      bytes.push(encoded.bytes);
      offset += encoded.bytes.length;
    }
    columns[name] = encoded.column;
  }
  const first = seqs[0] ?? 0;
  const gaps = countsUp(seqs) ? null : plainArray(seqs.map((seq) => seq - first));
  return { tbl, n: rows.length, first, seqs: gaps, columns };
}

const countsUp = (values: readonly ColumnValue[]): boolean => {
  const [first] = values;
  return typeof first === 'number' && values.every((value, index) => value === first + index);
};

function encodeColumn(
  values: readonly ColumnValue[],
  offset: number,
): { readonly column: EncodedColumn; readonly bytes?: Buffer } {
  const distinct = new Map<ColumnValue, number>();
  for (const value of values) {
    if (distinct.size > maxDictionary) break;
    if (!distinct.has(value)) distinct.set(value, distinct.size + 1);
  }
  if (distinct.size === 1) return { column: { k: 'v', d: dictionaryOf(distinct) } };
  if (values.every((value) => value === null || Number.isSafeInteger(value)))
    return { column: encodeNumbers(values) };
  if (distinct.size <= Math.min(maxDictionary, values.length / 2))
    return {
      column: {
        k: 'd',
        d: dictionaryOf(distinct),
        a: plainArray(values.map((value) => distinct.get(value) ?? 0)),
      },
    };
  const packed = packHex(values);
  if (packed !== null) {
    const { isUuid, width: w, bytes } = packed;
    return { column: { k: isUuid ? 'u' : 'h', b: offset, w }, bytes };
  }
  return { column: encodeTemplates(values) ?? { k: 'a', a: quotedArray(values) } };
}

const dictionaryOf = (distinct: ReadonlyMap<ColumnValue, number>): Dictionary =>
  [...distinct.keys()].map((value) => (value === null ? null : String(value)));

function encodeNumbers(values: readonly ColumnValue[]): EncodedColumn {
  if (countsUp(values)) return { k: 's', b: Number(values[0]) };
  let base = Number.POSITIVE_INFINITY;
  for (const value of values) if (typeof value === 'number' && value < base) base = value;
  return {
    k: 'n',
    b: base,
    a: plainArray(values.map((value) => (typeof value === 'number' ? value - base : null))),
  };
}

/** Null unless all are UUIDs, or all hexadecimal digits of the same number of bytes. */
function packHex(
  values: readonly ColumnValue[],
): { readonly isUuid: boolean; readonly width: number; readonly bytes: Buffer } | null {
  const sample = values.find((value) => value !== null);
  if (typeof sample !== 'string' || sample.length === 0 || sample.length > 128) return null;
  const isUuid = sample.length === uuidChars && sample[8] === '-';
  const width = isUuid ? 16 : sample.length / 2;
  const bytes = Buffer.alloc(values.length * width);
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    if (typeof value !== 'string' || value.length !== sample.length) return null;
    if (!packOne(value, isUuid, bytes, index * width)) return null;
  }
  return { isUuid, width, bytes };
}

/** False for what would not come out of the bytes as it is, or would look like null. */
function packOne(text: string, isUuid: boolean, bytes: Buffer, at: number): boolean {
  let to = at;
  let all = 0;
  for (let place = 0; place < text.length; place += 2) {
    if (isUuid && (place === 8 || place === 13 || place === 18 || place === 23)) {
      if (text.charCodeAt(place) !== 0x2d) return false;
      place += 1;
    }
    const byte = (digitOf(text.charCodeAt(place)) << 4) | digitOf(text.charCodeAt(place + 1));
    if (byte < 0) return false;
    bytes[to] = byte;
    all |= byte;
    to += 1;
  }
  return all !== 0;
}

/** Of a lower-case hexadecimal digit; negative for what is none. */
function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/** Null where it would not be worth it. */
function encodeTemplates(values: readonly ColumnValue[]): EncodedColumn | null {
  const places = new Map<string, number>();
  const rows: number[] = [];
  const numbers: string[] = [];
  for (const value of values) {
    if (typeof value !== 'string') return null;
    const found: string[] = [];
    const template = value.replaceAll('%', '%%').replaceAll(numbersInJson, (digits) => {
      found.push(digits);
      return '%s';
    });
    let place = places.get(template);
    if (place === undefined && places.size < maxTemplates) {
      place = places.size + 1;
      places.set(template, place);
    }
    rows.push(place ?? 0);
    numbers.push(place === undefined ? value : found.join('/'));
  }
  if (places.size > values.length / 2) return null;
  return { k: 't', d: [...places.keys()], a: plainArray(rows), n: quotedArray(numbers) };
}

const plainArray = (values: readonly (number | string | null)[]): string =>
  `{${values.map((value) => value ?? 'NULL').join(',')}}`;
const isPlain = /^(?!null$)[\w/-]+$/i;
const quotedArray = (values: readonly ColumnValue[]): string => `{${values.map(arrayElement).join(',')}}`;

function arrayElement(value: ColumnValue): string {
  if (value === null) return 'NULL';
  const text = String(value);
  return isPlain.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
