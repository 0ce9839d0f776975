import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineBulkEndpoint } from '#hub/http/endpoint/bulk-endpoint.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { csvLines } from '#hub/platform/csv.ts';
import { dismissCopy } from '../clones/workflow.ts';
import {
  enrolmentCreateSchema,
  enrolmentSchema,
  unknownCardEnrolSchema,
  unknownCardSchema,
} from '../enrolment/schema.ts';
import { type Enrolments, enrolUnknownCard, listUnknownCards, revealCard } from '../enrolment/workflow.ts';
import type { AccessParts } from '../parts.ts';
import { credentialCsvColumns, credentialToCsv } from './csv.ts';
import type { CredentialAction } from './rules.ts';
import {
  credentialActionSchema,
  credentialPatchSchema,
  credentialQuerySchema,
  credentialSchema,
  enrolCardSchema,
  replaceCredentialSchema,
  replacedSchema,
} from './schema.ts';
import {
  changeCredential,
  changeCredentialStatus,
  enrolCardText,
  enrolCardTexts,
  listCredentials,
  loadCredential,
  readCardText,
  replaceCard,
  streamCredentials,
} from './workflow.ts';

const base = '/api/access-control';
const tag = 'credentials';
const params = z.strictObject({ id: idSchema });

/** What every enrolment can be refused for. */
const enrolRefusals = ['memberUnknown', 'datesInvalid', 'alreadyEnrolled'] as const;
/** What every order to a bridge can be refused for. */
const bridgeRefusals = ['notConnected', 'noAnswer', 'bridgeRefused'] as const;

function actionEndpoint(
  parts: AccessParts,
  action: CredentialAction,
  path: string,
  summary: string,
): Endpoint {
  return defineEndpoint({
    method: 'POST',
    path: `${base}/credentials/{id}/${path}`,
    summary,
    tag,
    access: { permission: 'credential.manage' },
    params,
    body: credentialActionSchema,
    response: credentialSchema,
    refusals: ['credentialNotFound', 'credentialTransition'],
    async handle(call) {
      const reason = call.body.reason ?? null;
      return await changeCredentialStatus(parts, actorOf(call.principal), call.params.id, action, reason);
    },
  });
}

function cardEndpoints(parts: AccessParts): Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/credentials`,
      summary: 'Cards; `search` takes a card as written or part of a label',
      tag,
      access: { permission: 'credential.read' },
      query: credentialQuerySchema,
      response: pageOf(credentialSchema),
      refusals: pageRefusals,
      csv: {
        fileName: 'credentials',
        columns: credentialCsvColumns,
        async *lines({ query }) {
          for await (const credentials of streamCredentials(parts, query))
            yield csvLines(credentials.map(credentialToCsv));
        },
      },
      async handle({ query }) {
        return await listCredentials(parts, query);
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/credentials/{id}`,
      summary: 'One card',
      tag,
      access: { permission: 'credential.read' },
      params,
      response: credentialSchema,
      refusals: ['credentialNotFound'],
      async handle(call) {
        return await loadCredential(parts, call.params.id);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/credentials`,
      summary: 'Enrol a card by its number',
      tag,
      access: { permission: 'credential.manage' },
      body: enrolCardSchema,
      response: credentialSchema,
      status: 201,
      refusals: [...enrolRefusals, 'cardText'],
      async handle({ principal, body }) {
        return await enrolCardText(parts, actorOf(principal), body);
      },
    }),
    defineBulkEndpoint({
      path: `${base}/credentials/bulk`,
      summary: 'Enrol up to 1000 cards by their numbers, each by itself',
      tag,
      access: { permission: 'credential.manage' },
      item: enrolCardSchema,
      response: credentialSchema,
      lineStatus: 201,
      refusals: [...enrolRefusals, 'cardText'],
      handleLines: ({ principal }, lines) => enrolCardTexts(parts, actorOf(principal), lines),
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/credentials/{id}`,
      summary: 'Change label and dates of a card',
      tag,
      access: { permission: 'credential.manage' },
      params,
      body: credentialPatchSchema,
      response: credentialSchema,
      refusals: ['credentialNotFound', 'staleVersion', 'datesInvalid'],
      async handle(call) {
        return await changeCredential(parts, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    actionEndpoint(parts, 'suspend', 'suspend', 'Suspend a card'),
    actionEndpoint(parts, 'reactivate', 'reactivate', 'Reactivate a suspended or found card'),
    actionEndpoint(parts, 'lose', 'lost', 'Mark a card lost: it opens nothing from now on'),
    actionEndpoint(parts, 'retire', 'retire', 'Retire a card for good: it may be given to somebody else'),
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
      ],
      async handle(call) {
        const { card, eventId, label } = call.body;
        const read = card === undefined ? await revealCard(parts, eventId ?? '') : readCardText(card);
        if (!read.ok) return read;
        const actor = actorOf(call.principal);
        return await replaceCard(parts, actor, call.params.id, read.value, label);
      },
    }),
  ];
}

function copyEndpoint(parts: AccessParts): Endpoint {
  return defineEndpoint({
    method: 'POST',
    path: `${base}/credentials/{id}/dismiss-copy`,
    summary: 'Somebody has looked into it: there is no copy of this card',
    description:
      'For a card with `suspectedCopy`: it was read at two doors sooner than anybody gets from one to the other. It opens doors as before; the next such pair is reported anew.',
    tag,
    access: { permission: 'credential.manage' },
    params,
    body: credentialActionSchema,
    response: credentialSchema,
    refusals: ['credentialNotFound', 'nothingSuspected'],
    async handle(call) {
      const { id } = call.params;
      const reason = call.body.reason ?? null;
      const dismissed = await dismissCopy(parts, actorOf(call.principal), id, reason);
      if (!dismissed.ok) return dismissed;
      return await loadCredential(parts, id);
    },
  });
}

function enrolmentEndpoints(parts: AccessParts, enrolments: Enrolments): Endpoint[] {
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
      handle: async () => ok({ items: await listUnknownCards(parts), nextCursor: null }),
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
      refusals: [...enrolRefusals, ...bridgeRefusals, 'eventNotFound', 'cardForgotten'],
      async handle(call) {
        const { eventId } = call.params;
        return await enrolUnknownCard(parts, actorOf(call.principal), eventId, call.body);
      },
    }),
  ];
}

export const credentialEndpoints = (parts: AccessParts, enrolments: Enrolments): Endpoint[] => [
  ...cardEndpoints(parts),
  copyEndpoint(parts),
  ...enrolmentEndpoints(parts, enrolments),
];
