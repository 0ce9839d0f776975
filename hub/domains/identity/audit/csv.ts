import type { z } from 'zod';
import { isReversed } from '#hub/kernel/wire.ts';
import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { LineColumn } from '#hub/store/line-format.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Store } from '#hub/store/store.ts';
import type { auditQuerySchema } from '../schema.ts';
import { type AuditPage, auditPage, withSeqs } from './repository.ts';

/** Entries in one piece, and so in one turn of the reader Worker. */
const entriesPerPiece = 1000;

const columns = [
  { title: 'seq', name: 'seq' },
  { title: 'id', name: 'id' },
  { title: 'at', name: 'at_ms', form: 'time' },
  { title: 'actorKind', name: 'actor_kind' },
  { title: 'actorId', name: 'actor_id' },
  { title: 'actorName', name: 'actor_name' },
  { title: 'action', name: 'action' },
  { title: 'targetTable', name: 'target_table' },
  { title: 'targetId', name: 'target_id' },
  { title: 'payload', name: 'body' },
  { title: 'hash', name: 'hash' },
] as const satisfies readonly (LineColumn & { readonly title: string })[];
export const auditCsvColumns: readonly string[] = columns.map((column) => column.title);

const seqOf = (row: unknown): Place | null =>
  typeof row === 'object' && row !== null && 'seq' in row && typeof row.seq === 'number' ? [row.seq] : null;

/** All entries that fit as CSV lines, made in the reader Worker, a piece in each turn. */
export async function* streamAuditLines(
  store: Pick<Store, 'report'>,
  query: z.output<typeof auditQuerySchema>,
  delimiter: CsvDelimiter = 'comma',
): AsyncGenerator<Uint8Array> {
  const isOldestFirst = !isReversed(query.sort);
  const filter = await store.report((reader) => withSeqs(reader, query));
  if (filter === null) return;
  let after: Place | null = null;
  do {
    const page: AuditPage = { isOldestFirst, after, limit: entriesPerPiece };
    const piece = await store.report((reader, toLines) =>
      toLines(auditPage(reader, filter, page), columns, delimiter),
    );
    yield piece.lines;
    after = piece.rows < entriesPerPiece ? null : seqOf(piece.last);
  } while (after !== null);
}
