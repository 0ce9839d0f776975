import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineBulkEndpoint } from '#hub/http/endpoint/bulk-endpoint.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { csvLines } from '#hub/platform/csv.ts';
import { credentialCsvColumns, credentialToCsv } from './csv.ts';
import type { CardDeps } from './deps.ts';
import type { CredentialAction } from './rules.ts';
import {
  credentialActionSchema,
  credentialPatchSchema,
  credentialQuerySchema,
  credentialSchema,
  enrolCardSchema,
} from './schema.ts';
import {
  changeCredential,
  changeCredentialStatus,
  enrolCardText,
  enrolCardTexts,
  listCredentials,
  loadCredential,
  streamCredentials,
} from './workflow.ts';

const base = '/api/access-control';
const tag = 'credentials';
const params = z.strictObject({ id: idSchema });

/** What every enrolment can be refused for. */
const enrolRefusals = ['memberUnknown', 'datesInvalid', 'alreadyEnrolled'] as const;

function actionEndpoint(deps: CardDeps, action: CredentialAction, path: string, summary: string): Endpoint {
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
      return await changeCredentialStatus(deps, actorOf(call.principal), call.params.id, action, reason);
    },
  });
}

export function credentialEndpoints(deps: CardDeps): Endpoint[] {
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
        async *lines({ query }, delimiter) {
          for await (const credentials of streamCredentials(deps, query))
            yield csvLines(credentials.map(credentialToCsv), delimiter);
        },
      },
      async handle({ query }) {
        return await listCredentials(deps, query);
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
        return await loadCredential(deps, call.params.id);
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
        return await enrolCardText(deps, actorOf(principal), body);
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
      handleLines: ({ principal }, lines) => enrolCardTexts(deps, actorOf(principal), lines),
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
        return await changeCredential(deps, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    actionEndpoint(deps, 'suspend', 'suspend', 'Suspend a card'),
    actionEndpoint(deps, 'reactivate', 'reactivate', 'Reactivate a suspended or found card'),
    actionEndpoint(deps, 'lose', 'lost', 'Mark a card lost: it opens nothing from now on'),
    actionEndpoint(deps, 'retire', 'retire', 'Retire a card for good: it may be given to somebody else'),
  ];
}
