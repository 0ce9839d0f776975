import type { Generated, Selectable } from 'kysely';
import { z } from 'zod';
import type { StateColumns } from '#hub/store/database.ts';
import type { Reader, TableRegistration, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import { freshStatus, type WebhookStatus } from './rules.ts';

export interface WebhookTable extends StateColumns {
  name: string;
  url: string;
  topics: string;
  active: number;
}
export interface WebhookSecretTable {
  webhook_id: string;
  secret: Uint8Array;
  previous_secret: Uint8Array | null;
  previous_until_ms: number | null;
}
export interface WebhookStatusTable {
  webhook_id: string;
  failures: number;
  failing_since_ms: number | null;
  last_success_at_ms: number | null;
  last_failure: string | null;
  paused_at_ms: number | null;
  hold_until_ms: number | null;
  ended: 'gone' | null;
  overflowed: number;
  discarded: number;
}
export interface WebhookMessageTable {
  id: string;
  topic: string;
  body: string;
  created_at_ms: number;
  clock_trusted: number;
}
export interface WebhookDeliveryTable {
  id: string;
  webhook_id: string;
  message_id: string;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  next_attempt_at_ms: number | null;
  last_attempt_at_ms: Generated<number | null>;
  duration_ms: Generated<number | null>;
  response_status: Generated<number | null>;
  problem: Generated<string | null>;
  detail: Generated<string | null>;
  created_at_ms: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    webhook: WebhookTable;
    webhook_secret: WebhookSecretTable;
    webhook_status: WebhookStatusTable;
    webhook_message: WebhookMessageTable;
    webhook_delivery: WebhookDeliveryTable;
  }
}

const local: TableRegistration = { class: 'local', owner: 'hub', personalColumns: [] };
export const webhookTables = {
  webhook: {
    called: 'Webhook',
    label: { column: 'name' },
    managedBy: 'webhook.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  webhook_secret: local,
  webhook_status: local,
  webhook_message: { ...local, personalColumns: ['body'] },
  webhook_delivery: { ...local, personalColumns: ['detail'] },
} as const satisfies Registrations;

export interface WebhookRow {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly name: string;
  readonly url: string;
  readonly topics: readonly string[];
  readonly active: boolean;
}
const topicsSchema = z.array(z.string());
const rowToWebhook = (row: Selectable<WebhookTable>): WebhookRow => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  name: row.name,
  url: row.url,
  topics: topicsSchema.parse(JSON.parse(row.topics)),
  active: row.active === 1,
});

/** In the order of creation; there are few (`maxWebhooks`). */
export async function listWebhooks(reader: Reader): Promise<readonly WebhookRow[]> {
  const rows = await reader
    .selectFrom('webhook')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(rowToWebhook);
}

export async function findWebhook(reader: Reader, id: string): Promise<WebhookRow | null> {
  const row = await reader
    .selectFrom('webhook')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : rowToWebhook(row);
}

type WebhookFields = Pick<WebhookRow, 'name' | 'url' | 'topics' | 'active'>;
export const webhookColumns = ({ name, url, topics, active }: WebhookFields) => ({
  name,
  url,
  topics: JSON.stringify(topics),
  active: active ? 1 : 0,
});

export interface WebhookSecrets {
  readonly secret: Uint8Array;
  /** Null, or past its end, when deliveries carry one signature only. */
  readonly previous: { readonly secret: Uint8Array; readonly untilMs: number } | null;
}

export async function findSecrets(reader: Reader, webhookId: string): Promise<WebhookSecrets | null> {
  const row = await reader
    .selectFrom('webhook_secret')
    .selectAll()
    .where('webhook_id', '=', webhookId)
    .executeTakeFirst();
  if (row === undefined) return null;
  const { secret, previous_secret: previous, previous_until_ms: untilMs } = row;
  return { secret, previous: previous === null || untilMs === null ? null : { secret: previous, untilMs } };
}

export async function findPreviousEnds(reader: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await reader
    .selectFrom('webhook_secret')
    .select(['webhook_id', 'previous_until_ms'])
    .where('previous_until_ms', 'is not', null)
    .execute();
  return new Map(rows.map((row) => [row.webhook_id, row.previous_until_ms ?? 0]));
}

export async function saveSecrets(
  tx: Transaction,
  webhookId: string,
  { secret, previous }: WebhookSecrets,
): Promise<void> {
  const columns = {
    secret,
    previous_secret: previous?.secret ?? null,
    previous_until_ms: previous?.untilMs ?? null,
  };
  await tx.local
    .insertInto('webhook_secret')
    .values({ webhook_id: webhookId, ...columns })
    .onConflict((conflict) => conflict.column('webhook_id').doUpdateSet(columns))
    .execute();
}

const rowToStatus = (row: WebhookStatusTable): WebhookStatus => ({
  failures: row.failures,
  failingSinceMs: row.failing_since_ms,
  lastSuccessAtMs: row.last_success_at_ms,
  lastFailure: row.last_failure,
  pausedAtMs: row.paused_at_ms,
  holdUntilMs: row.hold_until_ms,
  ended: row.ended,
  overflowed: row.overflowed,
  discarded: row.discarded,
});

export async function findStatuses(reader: Reader): Promise<ReadonlyMap<string, WebhookStatus>> {
  const rows = await reader.selectFrom('webhook_status').selectAll().execute();
  return new Map(rows.map((row) => [row.webhook_id, rowToStatus(row)]));
}

export async function findStatus(reader: Reader, webhookId: string): Promise<WebhookStatus> {
  const row = await reader
    .selectFrom('webhook_status')
    .selectAll()
    .where('webhook_id', '=', webhookId)
    .executeTakeFirst();
  return row === undefined ? freshStatus : rowToStatus(row);
}

export async function saveStatus(tx: Transaction, webhookId: string, status: WebhookStatus): Promise<void> {
  const columns = {
    failures: status.failures,
    failing_since_ms: status.failingSinceMs,
    last_success_at_ms: status.lastSuccessAtMs,
    last_failure: status.lastFailure,
    paused_at_ms: status.pausedAtMs,
    hold_until_ms: status.holdUntilMs,
    ended: status.ended,
    overflowed: status.overflowed,
    discarded: status.discarded,
  };
  await tx.local
    .insertInto('webhook_status')
    .values({ webhook_id: webhookId, ...columns })
    .onConflict((conflict) => conflict.column('webhook_id').doUpdateSet(columns))
    .execute();
}

export async function removeSecrets(tx: Transaction, webhookId: string): Promise<void> {
  await tx.local.deleteFrom('webhook_secret').where('webhook_id', '=', webhookId).execute();
  await tx.local.deleteFrom('webhook_status').where('webhook_id', '=', webhookId).execute();
}
