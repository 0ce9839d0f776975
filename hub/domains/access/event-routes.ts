import { z } from 'zod';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf, pageShape } from '#hub/kernel/wire.ts';
import { isoTime } from './context.ts';
import { findDeadLetters, findEvent } from './event-repository.ts';
import {
  accessEventSchema,
  checkAnswerSchema,
  checkRequestSchema,
  deadLetterSchema,
  eventQuerySchema,
} from './event-schema.ts';
import { listEvents, toWireEvents } from './event-workflow.ts';
import { explainAccess } from './explain-workflow.ts';
import type { AccessParts } from './parts.ts';

const base = '/api/access-control';
const tag = 'access events';

export const eventEndpoints = (parts: AccessParts): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: `${base}/events`,
    summary: 'What happened at the doors and why, newest first',
    tag,
    access: { permission: 'accessEvent.read' },
    query: eventQuerySchema,
    response: pageOf(accessEventSchema),
    refusals: {},
    async handle({ query }) {
      const { cursor, ...filter } = query;
      return ok({ body: await listEvents(parts, { ...filter, beforeId: cursor }) });
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/events/{id}`,
    summary: 'One event',
    tag,
    access: { permission: 'accessEvent.read' },
    params: z.strictObject({ id: idSchema }),
    response: accessEventSchema,
    refusals: { eventNotFound: 404 },
    async handle(call) {
      const row = await findEvent(parts.store.read, call.params.id);
      const [event] = row === null ? [] : await toWireEvents(parts.store.read, parts, [row]);
      return event === undefined ? refuse({ code: 'eventNotFound' }) : ok({ body: event });
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/dead-letters`,
    summary: 'What a door controller sent and could not be taken in, newest first',
    tag,
    access: { permission: 'bridge.read' },
    query: z.strictObject({ ...pageShape, cursor: idSchema.optional() }),
    response: pageOf(deadLetterSchema),
    refusals: {},
    async handle({ query }) {
      const filter = { beforeId: query.cursor, limit: query.limit + 1 };
      const rows = await findDeadLetters(parts.store.read, filter);
      const page = rows.slice(0, query.limit);
      const items = page.map(({ atMs, ...letter }) => ({ ...letter, at: isoTime(atMs) }));
      return ok({
        body: { items, nextCursor: rows.length > query.limit ? (page.at(-1)?.id ?? null) : null },
      });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/check`,
    summary: 'What a door would say to a card, now or at another time, and why',
    tag,
    access: { permission: 'accessEvent.read' },
    body: checkRequestSchema,
    response: checkAnswerSchema,
    refusals: {
      portalUnknown: 422,
      portalAmbiguous: 422,
      memberUnknown: 422,
      credentialUnknown: 422,
      cardText: 422,
      policyMissing: 409,
    },
    async handle({ body }) {
      const answer = await explainAccess(parts, body);
      return answer.ok ? ok({ body: answer.value }) : answer;
    },
  }),
];
