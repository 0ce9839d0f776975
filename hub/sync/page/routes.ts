import type { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { ok } from '#hub/kernel/result.ts';
import {
  conflictPageSchema,
  conflictParamsSchema,
  conflictQuerySchema,
  conflictSchema,
  deadLetterPageSchema,
  deadLetterParamsSchema,
  deadLetterQuerySchema,
  linkRequestSchema,
  settleSchema,
  syncDeadLetterSchema,
  syncStatusSchema,
} from '../schema.ts';
import type { Sync } from '../sync.ts';
import { countConflicts, listConflicts, placeOfConflict } from './conflict-repository.ts';
import { conflictsToWire, settleConflict } from './conflict-workflow.ts';
import {
  countDeadLetters,
  deadLetterCsvColumns,
  listDeadLetters,
  placeOfDeadLetter,
  streamDeadLetterLines,
} from './dead-letter-repository.ts';
import { deadLettersToWire, dismissDeadLetter, retryDeadLetter } from './dead-letter-workflow.ts';
import type { SyncPageDeps } from './deps.ts';

const base = '/api/sync';
const tag = 'sync';
const toRead = { permission: 'system.read' } as const;
const toManage = { permission: 'system.manage' } as const;

const statusEndpoints = (sync: Sync): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'How replication with the central database is doing',
    tag,
    access: toRead,
    response: syncStatusSchema,
    refusals: [],
    handle: async () => ok(await sync.status()),
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/link`,
    actsOutside: true,
    summary: 'Link this hub to a central database, with the one-time code that was made for it there',
    description:
      'Everything of this site goes there, and what is changed there comes here. The address holds a password: it ' +
      'stands in the encrypted store and is never told again.',
    tag,
    access: toManage,
    body: linkRequestSchema,
    response: syncStatusSchema,
    ratePerMinute: 10,
    refusals: [
      'alreadyLinked',
      'notClaimed',
      'siteHasData',
      'hubTooNew',
      'hubTooOld',
      'centralAddressInvalid',
      'codeWrong',
      'centralUnreachable',
      'centralTlsFailed',
      'centralLoginFailed',
      'centralError',
    ],
    async handle({ principal, body }) {
      return await sync.link(actorOf(principal), body);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/unlink`,
    actsOutside: true,
    summary: 'End replication: what is here stays here, what is there stays there',
    tag,
    access: toManage,
    response: syncStatusSchema,
    refusals: ['notLinked'],
    async handle({ principal }) {
      return await sync.unlink(actorOf(principal));
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/run`,
    actsOutside: true,
    summary: 'Try at once instead of at the next time',
    tag,
    access: toManage,
    response: syncStatusSchema,
    ratePerMinute: 30,
    refusals: ['notLinked'],
    async handle() {
      return await sync.runNow();
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/continue`,
    summary: 'Go on with this machine as this hub, where it stopped because there may be two of it',
    description:
      'For the problems `fenced` and `machineChanged`. A machine that went on as this hub until now is shut out; what ' +
      'it has not sent yet stays there.',
    tag,
    access: toManage,
    response: syncStatusSchema,
    refusals: ['notLinked', 'nothingToApprove'],
    async handle({ principal }) {
      return await sync.approve(actorOf(principal));
    },
  }),
];

/** Rows of any table stand in them, personal data too: they need more than to see how the hub is doing. */
const listEndpoints = (deps: SyncPageDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: `${base}/conflicts`,
    summary: 'Values that were written in two places at once, the newest first',
    tag,
    access: toManage,
    query: conflictQuerySchema,
    response: conflictPageSchema,
    refusals: pageRefusals,
    async handle({ query }) {
      const { read } = deps.store;
      const asked = openPage(query, 2);
      if (!asked.ok) return asked;
      const { cut, count } = asked.value;
      const isSettled = query.settled === 'yes';
      const page = cut(await listConflicts(read, isSettled, asked.value), placeOfConflict);
      const total = await count(deps.store, (reader) => countConflicts(reader, isSettled));
      const items = await conflictsToWire(deps, read, page.rows);
      return ok({ items, nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/conflicts/{id}/settle`,
    summary: 'Settle a conflict: keep what stands, or write the other value',
    description: 'Who settles must also hold the permission to change such a row.',
    tag,
    access: toManage,
    params: conflictParamsSchema,
    body: settleSchema,
    response: conflictSchema,
    refusals: [
      'conflictNotFound',
      'conflictSettled',
      'rowGone',
      'columnUnknown',
      'valueChangedSince',
      'valueDoesNotFit',
      'beyondOwnPermissions',
    ],
    async handle({ principal, params: { id }, body }) {
      return await settleConflict(deps, principal, id, body.choose);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/dead-letters`,
    summary: 'Changes that one side could not take, the newest first',
    tag,
    access: toManage,
    query: deadLetterQuerySchema,
    response: deadLetterPageSchema,
    csv: {
      fileName: 'sync-dead-letters',
      columns: deadLetterCsvColumns,
      lines: ({ query }, delimiter) => streamDeadLetterLines(deps.store, isResolved(query), delimiter),
    },
    refusals: pageRefusals,
    async handle({ query }) {
      const { read } = deps.store;
      const asked = openPage(query, 1);
      if (!asked.ok) return asked;
      const { cut, count } = asked.value;
      const page = cut(await listDeadLetters(read, isResolved(query), asked.value), placeOfDeadLetter);
      const total = await count(deps.store, (reader) => countDeadLetters(reader, isResolved(query)));
      const items = await deadLettersToWire(deps, read, page.rows);
      return ok({ items, nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/dead-letters/{id}/retry`,
    summary: 'Try again what one side could not take; should it fail again, there is a new dead letter',
    tag,
    access: toManage,
    params: deadLetterParamsSchema,
    response: syncDeadLetterSchema,
    refusals: ['syncDeadLetterNotFound', 'syncDeadLetterResolved', 'notLinked', 'rowGone', 'tableUnknown'],
    async handle({ principal, params: { id } }) {
      return await retryDeadLetter(deps, principal, id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/dead-letters/{id}/dismiss`,
    summary: 'Let a dead letter rest: the two sides stay different in it',
    tag,
    access: toManage,
    params: deadLetterParamsSchema,
    response: syncDeadLetterSchema,
    refusals: ['syncDeadLetterNotFound', 'syncDeadLetterResolved'],
    async handle({ principal, params: { id } }) {
      return await dismissDeadLetter(deps, principal, id);
    },
  }),
];

const isResolved = ({ resolved }: z.output<typeof deadLetterQuerySchema>): boolean => resolved === 'yes';

/** Replication with a central database. */
export const syncEndpoints = (sync: Sync, deps: SyncPageDeps): readonly Endpoint[] => [
  ...statusEndpoints(sync),
  ...listEndpoints(deps),
];
