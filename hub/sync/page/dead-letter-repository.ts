import type { Selectable } from 'kysely';
import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { LineColumn } from '#hub/store/line-format.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import type { SyncDeadLetterTable } from '../repository.ts';

export type DeadLetterRow = Selectable<SyncDeadLetterTable>;

/** Ids are made in the order of time. */
export const placeOfDeadLetter = (row: DeadLetterRow): Place => [row.id];

const deadLetters = (reader: Reader, isResolved: boolean) =>
  reader.selectFrom('sync_dead_letter').where('resolved_at_ms', isResolved ? 'is not' : 'is', null);

interface DeadLetterPage {
  readonly after: Place | null;
  readonly limit: number;
}

/** The newest first. */
function deadLetterPage(reader: Reader, isResolved: boolean, { after, limit }: DeadLetterPage) {
  let query = deadLetters(reader, isResolved).selectAll();
  const [last] = after ?? [];
  if (last !== undefined) query = query.where('id', '<', String(last));
  return query.orderBy('id', 'desc').limit(limit);
}

export async function listDeadLetters(
  reader: Reader,
  isResolved: boolean,
  page: DeadLetterPage,
): Promise<readonly DeadLetterRow[]> {
  return await deadLetterPage(reader, isResolved, page).execute();
}

export async function countDeadLetters(reader: Reader, isResolved: boolean): Promise<number> {
  const row = await deadLetters(reader, isResolved)
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow();
  return row.rows;
}

export async function findDeadLetter(reader: Reader, id: string): Promise<DeadLetterRow | null> {
  const row = await reader.selectFrom('sync_dead_letter').selectAll().where('id', '=', id).executeTakeFirst();
  return row ?? null;
}

export async function resolveDeadLetter(tx: Transaction, id: string): Promise<void> {
  await tx.local
    .updateTable('sync_dead_letter')
    .set({ resolved_at_ms: tx.nowMs })
    .where('id', '=', id)
    .execute();
}

const columns = [
  { title: 'id', name: 'id' },
  { title: 'direction', name: 'direction' },
  { title: 'seq', name: 'seq' },
  { title: 'table', name: 'tbl' },
  { title: 'rowId', name: 'pk' },
  { title: 'problem', name: 'problem' },
  { title: 'body', name: 'body' },
  { title: 'at', name: 'at_ms', form: 'time' },
  { title: 'resolvedAt', name: 'resolved_at_ms', form: 'time' },
] as const satisfies readonly (LineColumn & { readonly title: string })[];
export const deadLetterCsvColumns: readonly string[] = columns.map((column) => column.title);

/** In one turn of the reader Worker. */
const lettersPerPiece = 500;

const placeOfRow = (row: unknown): Place | null =>
  typeof row === 'object' && row !== null && 'id' in row && typeof row.id === 'string' ? [row.id] : null;

/** All that fit as CSV lines, made in the reader Worker, a piece in each turn. */
export async function* streamDeadLetterLines(
  store: Pick<Store, 'report'>,
  isResolved: boolean,
  delimiter: CsvDelimiter = 'comma',
): AsyncGenerator<Uint8Array> {
  let after: Place | null = null;
  do {
    const page: DeadLetterPage = { after, limit: lettersPerPiece };
    const piece = await store.report((reader, toLines) =>
      toLines(deadLetterPage(reader, isResolved, page), columns, delimiter),
    );
    yield piece.lines;
    after = piece.rows < lettersPerPiece ? null : placeOfRow(piece.last);
  } while (after !== null);
}
