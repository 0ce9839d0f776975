import type { Selectable } from 'kysely';
import { assert } from '#hub/kernel/result.ts';
import type { ColumnValue } from '#hub/store/canonical-json.ts';
import type { ChangeTable } from '#hub/store/database.ts';
import { quoteName } from '#hub/store/sqlite/quote-name.ts';
import type { ReadConnection } from '#hub/store/sqlite/read-connection.ts';
import type { ReplicatedTable } from '#hub/store/store.ts';
import type { ReplicaPosition } from '#hub/store/writing/replicated-writes.ts';
import type { PushBatch } from '../central/centre.ts';
import type { LinkRow } from '../repository.ts';
import { linkOn } from './chain.ts';
import { encodeSegment } from './columns.ts';

/** Maximum size of a batch. */
export interface BatchLimits {
  readonly operations: number;
  /** Of bodies, roughly. */
  readonly bytes: number;
}

/** Rows of an append table for a centre that has none of them yet. */
export interface BackfillPage {
  readonly segments: string;
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** The id of the last row; its page is empty when it is null. */
  readonly lastId: string | null;
}

type OutboxRow = Omit<Selectable<ChangeTable>, 'at_ms'>;
const outboxColumns = 'seq, tbl, pk, op, body, digest, base_cursor, hlc, erases';
// The store wrote these rows; the columns are named in the statement.
const toOutboxRow = ([
  seq,
  tbl,
  pk,
  op,
  body,
  digest,
  base,
  hlc,
  erases,
]: readonly ColumnValue[]): OutboxRow => ({
  seq: Number(seq),
  tbl: String(tbl),
  pk: String(pk),
  op: op === 'update' || op === 'delete' ? op : 'insert',
  body: typeof body === 'string' ? body : null,
  digest: String(digest),
  base_cursor: Number(base),
  hlc: Number(hlc),
  erases: Number(erases),
});
const isLinkRow = (row: unknown): row is LinkRow =>
  typeof row === 'object' && row !== null && 'central_url' in row;

/** Approximate size of a row of an append table on the wire. */
const appendedBytes = 110;
/** Postgres takes no NUL in a text; in JSON it is written so, unless another backslash stands before it. */
const nulInJson = '\\u0000';
const nulsInJson = /(?<!\\)((?:\\\\)*)\\u0000/g;

/** Reads the outbox and the state of replication on a read-only connection. */
export class OutboxReader {
  readonly #connection: ReadConnection;
  readonly #columns: ReadonlyMap<string, readonly string[]>;

  constructor(connection: ReadConnection, tables: readonly ReplicatedTable[]) {
    this.#connection = connection;
    this.#columns = new Map(
      tables.filter((table) => table.class === 'append').map(({ name, columns }) => [name, columns]),
    );
  }

  link(): LinkRow | null {
    const [row] = this.#connection.all('select * from sync_link');
    return isLinkRow(row) ? row : null;
  }

  position(): ReplicaPosition {
    const [row] = this.#connection.lists('select cursor, cursor_cid, settled from sync_position');
    const [cursor, cid, settled] = row ?? [];
    return { cursor: Number(cursor), cid: typeof cid === 'string' ? cid : null, settled: Number(settled) };
  }

  /** The first and the last number in the outbox; a last of 0 for one that was never written to. */
  bounds(): { readonly first: number; readonly last: number } {
    const [row] = this.#connection.lists(
      "select coalesce((select min(seq) from change), 0), coalesce((select seq from sqlite_sequence where name = 'change'), 0)",
    );
    const last = Number(row?.[1]);
    const first = Number(row?.[0]);
    return { first: first === 0 ? last + 1 : first, last };
  }

  /**
   * The chain (hex) at each of these numbers, which ascend; those that the outbox no longer reaches, or not yet, are left
   * out.
   */
  chainsAt(epoch: number, numbers: readonly number[]): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    const [lowest] = numbers;
    const highest = numbers.at(-1);
    if (lowest === undefined || highest === undefined) return found;
    const [mark] = this.#connection.lists(
      'select seq, chain from sync_mark where epoch = ? and seq <= ? order by seq desc limit 1',
      epoch,
      lowest,
    );
    if (mark === undefined) return found;
    const wanted = new Set(numbers);
    let at = Number(mark[0]);
    let chain = String(mark[1]);
    if (wanted.has(at)) found.set(at, chain);
    while (at < highest) {
      const rows = this.#rowsAfter(at, 5000);
      if (rows.length === 0) return found;
      for (const row of rows) {
        if (row.seq !== at + 1) return found;
        at = row.seq;
        chain = linkOn(chain, row);
        if (wanted.has(at)) found.set(at, chain);
      }
    }
    return found;
  }

  /** The next operations after a number, of which the chain is given; null when there are none. */
  nextBatch(after: number, chain: string, limits: BatchLimits): PushBatch | null {
    const ops: string[] = [];
    const appended = new Map<string, OutboxRow[]>();
    let to = after;
    let end = chain;
    let bytes = 0;
    for (const row of this.#rowsAfter(after, limits.operations)) {
      assert(row.seq === to + 1, `the outbox has no hole: ${row.seq} comes after ${to}`);
      const size = row.body === null ? appendedBytes : row.body.length + 120;
      if (to > after && bytes + size > limits.bytes) break;
      bytes += size;
      to = row.seq;
      end = linkOn(end, row);
      if (row.body !== null) ops.push(stateOperation(row, row.body));
      else if (appended.has(row.tbl)) appended.get(row.tbl)?.push(row);
      else appended.set(row.tbl, [row]);
    }
    if (to === after) return null;
    const parts: Buffer[] = [];
    const segments = [...appended].flatMap(([tbl, rows]) => this.#segments(tbl, rows, to, parts, ops));
    return {
      from: after + 1,
      to,
      prev: chain,
      end,
      ops: `[${ops.join(',')}]`,
      segments: `[${segments.join(',')}]`,
      bytes: Buffer.concat(parts),
    };
  }

  appendTables(): readonly string[] {
    return [...this.#columns.keys()];
  }

  /** Rows of an append table by id, as they are. */
  backfillPage(tbl: string, afterId: string, limit: number): BackfillPage {
    const names = this.#columnsOf(tbl);
    const rows = this.#connection.lists(
      `select ${names.map(quoteName).join(', ')} from ${quoteName(tbl)} where id > ? order by id limit ?`,
      afterId,
      limit,
    );
    const parts: Buffer[] = [];
    const last = rows.at(-1)?.[names.indexOf('id')];
    if (typeof last !== 'string') return { segments: '[]', bytes: Buffer.alloc(0), rows: 0, lastId: null };
    const segment = encodeSegment({ tbl, names, rows, seqs: rows.map(() => 0) }, parts, 0);
    return {
      segments: `[${JSON.stringify(segment)}]`,
      bytes: Buffer.concat(parts),
      rows: rows.length,
      lastId: last,
    };
  }

  #columnsOf(tbl: string): readonly string[] {
    const names = this.#columns.get(tbl);
    assert(names !== undefined, `${tbl} is an append table`);
    return names;
  }

  // Rows of append tables are read when they are sent. One that Postgres would not take goes as an operation that it
  // refuses, so that it is seen and the rest goes on.
  #segments(
    tbl: string,
    changes: readonly OutboxRow[],
    to: number,
    parts: Buffer[],
    ops: string[],
  ): string[] {
    const names = this.#columnsOf(tbl);
    const first = changes[0]?.seq ?? 0;
    const rows = this.#connection.lists(
      `select ${names.map((name) => `t.${quoteName(name)}`).join(', ')} from change c join ${quoteName(tbl)} t on t.id = c.pk ` +
        'where c.tbl = ? and c.seq between ? and ? order by c.seq',
      tbl,
      first,
      to,
    );
    assert(rows.length === changes.length, `every row of ${tbl} that was noted is there`);
    const bytesBefore = parts.reduce((sum, part) => sum + part.length, 0);
    const own: Buffer[] = [];
    const text = JSON.stringify(
      encodeSegment({ tbl, names, rows, seqs: changes.map((change) => change.seq) }, own, bytesBefore),
    );
    if (!text.includes(nulInJson)) {
      parts.push(...own);
      return [text];
    }
    const isGood = rows.map((row) => !row.some((value) => typeof value === 'string' && value.includes('\0')));
    for (const [index, change] of changes.entries())
      if (isGood[index] === false) ops.push(operation(change, 'unsendable', '{}'));
    const good = changes.filter((_change, index) => isGood[index] === true);
    if (good.length === 0) return [];
    const kept = { tbl, names, rows: rows.filter((_row, index) => isGood[index] === true) };
    const segment = encodeSegment({ ...kept, seqs: good.map((change) => change.seq) }, parts, bytesBefore);
    return [JSON.stringify(segment)];
  }

  #rowsAfter(after: number, limit: number): OutboxRow[] {
    return this.#connection
      .lists(`select ${outboxColumns} from change where seq > ? order by seq limit ?`, after, limit)
      .map(toOutboxRow);
  }
}

/** Replaces NUL with another character, so that people at the centre can still read the value. */
function stateOperation(row: OutboxRow, body: string): string {
  const sendable = body.includes(nulInJson) ? body.replaceAll(nulsInJson, '$1\\ufffd') : body;
  return operation(row, sendable === body ? row.op : 'unsendable', sendable);
}

const operation = (row: OutboxRow, op: string, body: string): string =>
  `${JSON.stringify([row.seq, row.tbl, row.pk, op]).slice(0, -1)},${body},${row.base_cursor},${row.hlc},${row.erases === 1}]`;
