import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { credentialSchema, replaceCredentialSchema, replacedSchema } from '../cards/schema.ts';
import { readCardText, replaceCard } from '../cards/workflow.ts';
import type { EnrolmentDeps } from './deps.ts';
import {
  enrolmentCreateSchema,
  enrolmentSchema,
  unknownCardEnrolSchema,
  unknownCardSchema,
} from './schema.ts';
import { type Enrolments, enrolUnknownCard, listUnknownCards, revealCard } from './workflow.ts';

const base = '/api/access-control';
const tag = 'credentials';
const params = z.strictObject({ id: idSchema });

/** What every enrolment can be refused for. */
const enrolRefusals = ['memberUnknown', 'datesInvalid', 'alreadyEnrolled'] as const;
/** What every order to a bridge can be refused for. */
const bridgeRefusals = ['notConnected', 'noAnswer', 'bridgeRefused'] as const;

export function enrolmentEndpoints(deps: EnrolmentDeps, enrolments: Enrolments): Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: `${base}/enrolments`,
      summary: 'The next card at a reader is for this member',
      tag,
      access: { permission: 'credential.manage' },
      body: enrolmentCreateSchema,
      response: enrolmentSchema,
      status: 201,
      refusals: [...bridgeRefusals, 'readerUnknown', 'memberUnknown', 'readerBusy'],
      async handle({ principal, body }) {
        return await enrolments.begin(actorOf(principal), body);
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/enrolments/{id}`,
      summary: 'How an enrolment stands',
      tag,
      access: { permission: 'credential.manage' },
      params,
      response: enrolmentSchema,
      refusals: ['enrolmentNotFound'],
      async handle(call) {
        const enrolment = enrolments.find(call.params.id);
        return enrolment === null ? refuse({ code: 'enrolmentNotFound' }) : ok(enrolment);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/enrolments/{id}/cancel`,
      summary: 'The reader is an ordinary reader again',
      tag,
      access: { permission: 'credential.manage' },
      params,
      response: enrolmentSchema,
      refusals: ['enrolmentNotFound'],
      async handle(call) {
        const enrolment = await enrolments.cancel(call.params.id);
        return enrolment === null ? refuse({ code: 'enrolmentNotFound' }) : ok(enrolment);
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/unknown-cards`,
      summary: 'Unknown cards that were tapped just now',
      tag,
      access: { permission: 'credential.read' },
      response: pageOf(unknownCardSchema),
      refusals: [],
      handle: async () => ok({ items: await listUnknownCards(deps), nextCursor: null }),
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/unknown-cards/{eventId}/enrol`,
      summary: 'Enrol an unknown card that was tapped just now',
      tag,
      access: { permission: 'credential.manage' },
      params: z.strictObject({ eventId: idSchema }),
      body: unknownCardEnrolSchema,
      response: credentialSchema,
      status: 201,
      refusals: [...enrolRefusals, ...bridgeRefusals, 'eventNotFound', 'cardForgotten', 'cardUnsure'],
      async handle(call) {
        const { eventId } = call.params;
        return await enrolUnknownCard(deps, actorOf(call.principal), eventId, call.body);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/credentials/{id}/replace`,
      summary: 'Mark a card lost and enrol another in its place',
      tag,
      access: { permission: 'credential.manage' },
      params,
      body: replaceCredentialSchema,
      response: replacedSchema,
      refusals: [
        ...enrolRefusals,
        ...bridgeRefusals,
        'cardText',
        'credentialNotFound',
        'credentialTransition',
        'eventNotFound',
        'cardForgotten',
        'cardUnsure',
      ],
      async handle(call) {
        const { card, eventId, label } = call.body;
        const read = card === undefined ? await revealCard(deps, eventId ?? '') : readCardText(card);
        if (!read.ok) return read;
        const actor = actorOf(call.principal);
        return await replaceCard(deps, actor, call.params.id, read.value, label);
      },
    }),
  ];
}
