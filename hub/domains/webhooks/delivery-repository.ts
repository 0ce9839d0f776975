import type { Selectable } from 'kysely';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { WebhookDeliveryTable, WebhookMessageTable } from './repository.ts';
import { type DeliveryProblem, deliveryProblems, longestWaitMs } from './rules.ts';

export type DeliveryState = 'pending' | 'delivered' | 'dead';

export interface DeliveryRow {
  readonly id: string;
  readonly webhookId: string;
  readonly messageId: string;
  readonly topic: string;
  readonly state: DeliveryState;
  readonly createdAtMs: number;
  readonly attempts: number;
  readonly nextAttemptAtMs: number | null;
  readonly lastAttemptAtMs: number | null;
  readonly durationMs: number | null;
  readonly responseStatus: number | null;
  readonly problem: DeliveryProblem | null;
  readonly detail: string | null;
}

const problemOf = (text: string | null): DeliveryProblem | null =>
  deliveryProblems.find((problem) => problem === text) ?? null;

const rowToDelivery = (
  row: Selectable<WebhookDeliveryTable> & Pick<WebhookMessageTable, 'topic'>,
): DeliveryRow => ({
  id: row.id,
  webhookId: row.webhook_id,
  messageId: row.message_id,
  topic: row.topic,
  state: row.state,
  createdAtMs: row.created_at_ms,
  attempts: row.attempts,
  nextAttemptAtMs: row.next_attempt_at_ms,
  lastAttemptAtMs: row.last_attempt_at_ms,
  durationMs: row.duration_ms,
  responseStatus: row.response_status,
  problem: problemOf(row.problem),
  detail: row.detail,
});

const selectDeliveries = (reader: Reader) =>
  reader
    .selectFrom('webhook_delivery')
    .innerJoin('webhook_message', 'webhook_message.id', 'webhook_delivery.message_id')
    .selectAll('webhook_delivery')
    .select('webhook_message.topic');

export interface NewMessage {
  readonly id: string;
  readonly topic: string;
  readonly body: string;
}
export interface NewDelivery {
  readonly id: string;
  readonly webhookId: string;
  readonly messageId: string;
}

/** Rows of one statement stay far below what SQLite takes in parameters. */
const rowsAtOnce = 500;

export async function insertMessages(
  tx: Transaction,
  messages: readonly NewMessage[],
  clockTrusted: boolean,
): Promise<void> {
  for (let start = 0; start < messages.length; start += rowsAtOnce)
    await tx.local
      .insertInto('webhook_message')
      .values(
        messages.slice(start, start + rowsAtOnce).map(({ id, topic, body }) => ({
          id,
          topic,
          body,
          created_at_ms: tx.nowMs,
          clock_trusted: clockTrusted ? 1 : 0,
        })),
      )
      .execute();
}

/** Due at once. */
export async function insertDeliveries(tx: Transaction, deliveries: readonly NewDelivery[]): Promise<void> {
  for (let start = 0; start < deliveries.length; start += rowsAtOnce)
    await tx.local
      .insertInto('webhook_delivery')
      .values(
        deliveries.slice(start, start + rowsAtOnce).map(({ id, webhookId, messageId }) => ({
          id,
          webhook_id: webhookId,
          message_id: messageId,
          state: 'pending' as const,
          attempts: 0,
          next_attempt_at_ms: tx.nowMs,
          created_at_ms: tx.nowMs,
        })),
      )
      .execute();
}

export async function countDeliveries(
  reader: Reader,
  webhookId: string,
  state: DeliveryState | undefined,
): Promise<number> {
  let query = reader
    .selectFrom('webhook_delivery')
    .select((expression) => expression.fn.countAll<number>().as('count'))
    .where('webhook_id', '=', webhookId);
  if (state !== undefined) query = query.where('state', '=', state);
  return (await query.executeTakeFirstOrThrow()).count;
}

/** The oldest `count` of a state. */
const oldestIds = (reader: Reader, webhookId: string, state: DeliveryState, count: number) =>
  reader
    .selectFrom('webhook_delivery')
    .select('id')
    .where('webhook_id', '=', webhookId)
    .where('state', '=', state)
    .orderBy('id')
    .limit(count);

/** Moves the oldest `count` pending deliveries to the dead letters. */
export async function moveOldestToDeadLetters(
  tx: Transaction,
  webhookId: string,
  count: number,
  problem: DeliveryProblem,
): Promise<void> {
  await tx.local
    .updateTable('webhook_delivery')
    .set({ state: 'dead', next_attempt_at_ms: null, problem })
    .where('id', 'in', oldestIds(tx, webhookId, 'pending', count))
    .execute();
}

/** Moves every pending delivery of this webhook to the dead letters. */
export async function movePendingToDeadLetters(
  tx: Transaction,
  webhookId: string,
  problem: DeliveryProblem,
): Promise<void> {
  await tx.local
    .updateTable('webhook_delivery')
    .set({ state: 'dead', next_attempt_at_ms: null, problem })
    .where('webhook_id', '=', webhookId)
    .where('state', '=', 'pending')
    .execute();
}

/**
 * Of the oldest `limit` of a state those that were made before `beforeMs`. What was queued under a clock that was not to
 * be trusted has no age.
 */
export async function findOld(
  reader: Reader,
  webhookId: string,
  old: { readonly state: DeliveryState; readonly beforeMs: number; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('webhook_delivery')
    .innerJoin('webhook_message', 'webhook_message.id', 'webhook_delivery.message_id')
    .select('webhook_delivery.id')
    .where('webhook_delivery.id', 'in', oldestIds(reader, webhookId, old.state, old.limit))
    .where('webhook_delivery.created_at_ms', '<', old.beforeMs)
    .where('webhook_message.clock_trusted', '=', 1)
    .execute();
  return rows.map((row) => row.id);
}

export async function moveToDeadLetters(
  tx: Transaction,
  ids: readonly string[],
  problem: DeliveryProblem,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.local
    .updateTable('webhook_delivery')
    .set({ state: 'dead', next_attempt_at_ms: null, problem })
    .where('id', 'in', ids)
    .execute();
}

/** Removes deliveries, with the messages that nobody else has. */
export async function removeByIds(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const removed = await tx.local
    .deleteFrom('webhook_delivery')
    .where('id', 'in', ids)
    .returning('message_id')
    .execute();
  await removeOrphans(
    tx,
    removed.map((row) => row.message_id),
  );
}

/** Removes the oldest `count` of a state, with the messages that nobody else has. */
export async function removeOldest(
  tx: Transaction,
  webhookId: string,
  state: DeliveryState,
  count: number,
): Promise<void> {
  const removed = await tx.local
    .deleteFrom('webhook_delivery')
    .where('id', 'in', oldestIds(tx, webhookId, state, count))
    .returning('message_id')
    .execute();
  await removeOrphans(
    tx,
    removed.map((row) => row.message_id),
  );
}

/** Removes everything of a webhook; at most a few thousand rows, since every state has a bound. */
export async function removeDeliveries(tx: Transaction, webhookId: string): Promise<void> {
  const removed = await tx.local
    .deleteFrom('webhook_delivery')
    .where('webhook_id', '=', webhookId)
    .returning('message_id')
    .execute();
  await removeOrphans(
    tx,
    removed.map((row) => row.message_id),
  );
}

async function removeOrphans(tx: Transaction, messageIds: readonly string[]): Promise<void> {
  for (let start = 0; start < messageIds.length; start += rowsAtOnce)
    await tx.local
      .deleteFrom('webhook_message')
      .where('id', 'in', messageIds.slice(start, start + rowsAtOnce))
      .where((expression) =>
        expression.not(
          expression.exists(
            expression
              .selectFrom('webhook_delivery')
              .select('webhook_delivery.id')
              .whereRef('webhook_delivery.message_id', '=', 'webhook_message.id'),
          ),
        ),
      )
      .execute();
}

export interface DueDelivery {
  readonly id: string;
  readonly messageId: string;
  readonly body: string;
  readonly attempts: number;
}

/**
 * Finds due deliveries, the longest due first. An impossibly long wait was written by a clock that ran ahead and counts
 * as due.
 */
export async function findDue(
  reader: Reader,
  webhookId: string,
  nowMs: number,
  limit: number,
): Promise<readonly DueDelivery[]> {
  const rows = await reader
    .selectFrom('webhook_delivery')
    .innerJoin('webhook_message', 'webhook_message.id', 'webhook_delivery.message_id')
    .select([
      'webhook_delivery.id',
      'webhook_delivery.message_id',
      'webhook_delivery.attempts',
      'webhook_message.body',
    ])
    .where('webhook_delivery.webhook_id', '=', webhookId)
    .where('webhook_delivery.state', '=', 'pending')
    .where((expression) =>
      expression.or([
        expression('webhook_delivery.next_attempt_at_ms', '<=', nowMs),
        expression('webhook_delivery.next_attempt_at_ms', '>', nowMs + longestWaitMs),
      ]),
    )
    .orderBy('webhook_delivery.next_attempt_at_ms')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    body: row.body,
    attempts: row.attempts,
  }));
}

/** When the next delivery of this webhook is due that is not due yet, UTC ms. */
export async function findNextDueMs(
  reader: Reader,
  webhookId: string,
  nowMs: number,
): Promise<number | null> {
  const row = await reader
    .selectFrom('webhook_delivery')
    .select((expression) => expression.fn.min('next_attempt_at_ms').as('next'))
    .where('webhook_id', '=', webhookId)
    .where('state', '=', 'pending')
    .where('next_attempt_at_ms', '>', nowMs)
    .executeTakeFirst();
  return row?.next ?? null;
}

/** Saves the outcome of an attempt; does nothing if the delivery was removed meanwhile. */
export async function saveAttempt(
  tx: Transaction,
  id: string,
  attempt: Pick<
    DeliveryRow,
    'state' | 'attempts' | 'nextAttemptAtMs' | 'durationMs' | 'responseStatus' | 'problem' | 'detail'
  >,
): Promise<void> {
  await tx.local
    .updateTable('webhook_delivery')
    .set({
      state: attempt.state,
      attempts: attempt.attempts,
      next_attempt_at_ms: attempt.nextAttemptAtMs,
      last_attempt_at_ms: tx.nowMs,
      duration_ms: attempt.durationMs,
      response_status: attempt.responseStatus,
      problem: attempt.problem,
      detail: attempt.detail,
    })
    .where('id', '=', id)
    .execute();
}

export async function findDelivery(
  reader: Reader,
  webhookId: string,
  id: string,
): Promise<DeliveryRow | null> {
  const row = await selectDeliveries(reader)
    .where('webhook_delivery.id', '=', id)
    .where('webhook_delivery.webhook_id', '=', webhookId)
    .executeTakeFirst();
  return row === undefined ? null : rowToDelivery(row);
}

/** One page, newest first; `after` is the id of the last of the page before. */
export async function listDeliveries(
  reader: Reader,
  webhookId: string,
  page: {
    readonly state: DeliveryState | undefined;
    readonly after: Place | null;
    readonly limit: number;
  },
): Promise<readonly DeliveryRow[]> {
  let query = selectDeliveries(reader)
    .where('webhook_delivery.webhook_id', '=', webhookId)
    .orderBy('webhook_delivery.id', 'desc')
    .limit(page.limit);
  if (page.state !== undefined) query = query.where('webhook_delivery.state', '=', page.state);
  const [afterId] = page.after ?? [];
  if (afterId !== undefined) query = query.where('webhook_delivery.id', '<', String(afterId));
  return (await query.execute()).map(rowToDelivery);
}

/** Requeues deliveries: the named one, or the newest dead ones. Returns how many. */
export async function requeue(
  tx: Transaction,
  webhookId: string,
  which: { readonly id: string } | { readonly newestDead: number },
): Promise<number> {
  const ids =
    'id' in which
      ? [which.id]
      : (
          await tx
            .selectFrom('webhook_delivery')
            .select('id')
            .where('webhook_id', '=', webhookId)
            .where('state', '=', 'dead')
            .orderBy('id', 'desc')
            .limit(which.newestDead)
            .execute()
        ).map((row) => row.id);
  for (let start = 0; start < ids.length; start += rowsAtOnce)
    await tx.local
      .updateTable('webhook_delivery')
      .set({ state: 'pending', attempts: 0, next_attempt_at_ms: tx.nowMs, problem: null, detail: null })
      .where('id', 'in', ids.slice(start, start + rowsAtOnce))
      .execute();
  return ids.length;
}
