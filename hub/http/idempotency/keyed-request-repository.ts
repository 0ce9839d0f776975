import type { Reader, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';

export interface KeyedRequestTable {
  id: Uint8Array;
  digest: Uint8Array;
  status: number | null;
  media_type: string | null;
  etag: string | null;
  headers: string | null;
  body: string | null;
  bytes: number;
  created_at_ms: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    keyed_request: KeyedRequestTable;
  }
}

export const keyedRequestTables = {
  keyed_request: { class: 'local', owner: 'hub', personalColumns: ['body'] },
} as const satisfies Registrations;

/** Answer that was sent. */
export interface KeptAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly etag: string | null;
  readonly headers: string;
  /** null: not kept. */
  readonly body: string | null;
}
export interface KeyedRequest {
  readonly digest: Uint8Array;
  readonly createdAtMs: number;
  /** null: not sent. */
  readonly answer: KeptAnswer | null;
  /** Its committed transactions, until there is an answer. */
  readonly steps: Uint8Array | null;
}

export async function findKeyedRequest(reader: Reader, id: Uint8Array): Promise<KeyedRequest | null> {
  const row = await reader.selectFrom('keyed_request').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return null;
  const { digest, created_at_ms: createdAtMs, status } = row;
  const answer =
    status === null
      ? null
      : {
          status,
          mediaType: row.media_type ?? 'application/json',
          etag: row.etag,
          headers: row.headers ?? '{}',
          body: row.body,
        };
  // Until the answer is known its column has the steps.
  const steps = status === null && row.body !== null ? Buffer.from(row.body, 'base64') : null;
  return { digest, createdAtMs, answer, steps };
}

/** Identity of a request, and when it came first. */
export interface RequestIdentity {
  readonly id: Uint8Array;
  readonly digest: Uint8Array;
  readonly createdAtMs: number;
}

/** Writes that a request has begun and which of its transactions are committed, replacing an expired one. */
export async function saveSteps(
  tx: Transaction,
  request: RequestIdentity,
  steps: Uint8Array | null,
): Promise<void> {
  const body = steps === null ? null : Buffer.from(steps).toString('base64');
  await upsert(tx, request, { status: null, media_type: null, etag: null, headers: null, body, bytes: 0 });
}

export async function saveAnswer(
  tx: Transaction,
  request: RequestIdentity,
  answer: KeptAnswer,
): Promise<void> {
  const { status, mediaType, etag, headers, body } = answer;
  const bytes = body === null ? 0 : Buffer.byteLength(body);
  await upsert(tx, request, { status, media_type: mediaType, etag, headers, body, bytes });
}

async function upsert(
  tx: Transaction,
  { id, digest, createdAtMs }: RequestIdentity,
  columns: Omit<KeyedRequestTable, 'id' | 'digest' | 'created_at_ms'>,
): Promise<void> {
  const written = { ...columns, digest, created_at_ms: createdAtMs };
  await tx.local
    .insertInto('keyed_request')
    .values({ id, ...written })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(written))
    .execute();
}

export async function deleteKeyedRequest(tx: Transaction, id: Uint8Array): Promise<void> {
  await tx.local.deleteFrom('keyed_request').where('id', '=', id).execute();
}

/** Counts the rows and the bytes of their answers. */
export async function sumKeyedRequests(
  reader: Reader,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const row = await reader
    .selectFrom('keyed_request')
    .select(({ fn }) => [fn.countAll<number>().as('rows'), fn.sum<number | null>('bytes').as('bytes')])
    .executeTakeFirstOrThrow();
  return { rows: row.rows, bytes: row.bytes ?? 0 };
}

/** Removes the oldest, at most `limit`; with `beforeMs` only those that began before. Returns totals of the removed rows. */
export async function deleteOldest(
  tx: Transaction,
  limit: number,
  beforeMs: number | null,
): Promise<{ readonly rows: number; readonly bytes: number; readonly newestMs: number | null }> {
  let query = tx.selectFrom('keyed_request').select(['id', 'bytes', 'created_at_ms']);
  if (beforeMs !== null) query = query.where('created_at_ms', '<', beforeMs);
  const rows = await query.orderBy('created_at_ms').limit(limit).execute();
  if (rows.length > 0)
    await tx.local
      .deleteFrom('keyed_request')
      .where(
        'id',
        'in',
        rows.map((row) => row.id),
      )
      .execute();
  return {
    rows: rows.length,
    bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
    newestMs: rows.at(-1)?.created_at_ms ?? null,
  };
}
