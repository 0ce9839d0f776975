import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { explainTo } from './asker-workflow.ts';
import type { ExplainDeps } from './deps.ts';
import { checkAnswerSchema, checkRequestSchema } from './schema.ts';

const tag = 'access events';

export const explainEndpoint = (deps: ExplainDeps): Endpoint =>
  defineEndpoint({
    method: 'POST',
    path: '/api/access-control/check',
    summary: 'What a door would say to a card, now or at another time, and why',
    tag,
    description:
      'A card is asked about with the permission `credential.read`, a member with `member.read`. Numbers of cards that ' +
      'nobody has are counted: ten a minute for each account.',
    access: { permission: 'accessEvent.read' },
    body: checkRequestSchema,
    response: checkAnswerSchema,
    refusals: [
      'portalUnknown',
      'portalAmbiguous',
      'memberUnknown',
      'credentialUnknown',
      'cardText',
      'noReader',
      'readerCannotRead',
      'noPolicy',
      'beyondOwnPermissions',
      'tooManyAttempts',
    ],
    async handle({ principal, body }) {
      return await explainTo(deps, principal, body);
    },
  });
