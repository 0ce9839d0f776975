import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { pageOf, pageQuerySchema } from '#hub/kernel/wire.ts';
import { eventCsvColumns, streamEventLines } from './csv.ts';
import type { EventDeps } from './deps.ts';
import { countDeadLetters, findDeadLetters, findEvent } from './repository.ts';
import { accessEventSchema, deadLetterSchema, eventQuerySchema } from './schema.ts';
import { listEvents, toWireEvents } from './workflow.ts';

const base = '/api/access-control';
const tag = 'access events';

export const eventEndpoints = (deps: EventDeps): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: `${base}/events`,
    summary: 'What happened at the doors and why, newest first',
    tag,
    access: { permission: 'accessEvent.read' },
    query: eventQuerySchema,
    response: pageOf(accessEventSchema),
    csv: {
      fileName: 'access-events',
      columns: eventCsvColumns,
      lines: ({ query }, delimiter) => streamEventLines(deps, query, delimiter),
    },
    refusals: pageRefusals,
    async handle({ query }) {
      return await listEvents(deps, query);
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
    refusals: ['eventNotFound'],
    async handle(call) {
      const row = await findEvent(deps.store.read, call.params.id);
      const [event] = row === null ? [] : await toWireEvents(deps.store.read, [row]);
      return event === undefined ? refuse({ code: 'eventNotFound' }) : ok(event);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/dead-letters`,
    summary: 'What a door controller sent and could not be taken in, newest first',
    tag,
    access: { permission: 'bridge.read' },
    query: pageQuerySchema,
    response: pageOf(deadLetterSchema),
    refusals: pageRefusals,
    async handle({ query }) {
      const asked = openPage(query, 1);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const page = cut(await findDeadLetters(deps.store.read, { after, limit }), (letter) => [letter.id]);
      const items = page.rows.map(({ atMs, ...letter }) => ({ ...letter, at: toIso(atMs) }));
      const total = await count(deps.store, countDeadLetters);
      return ok({ items, nextCursor: page.nextCursor, ...total });
    },
  }),
];
