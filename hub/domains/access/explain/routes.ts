import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import type { ExplainDeps } from './deps.ts';
import { checkAnswerSchema, checkRequestSchema } from './schema.ts';
import { explainAccess } from './workflow.ts';

const tag = 'access events';

export const explainEndpoint = (deps: ExplainDeps): Endpoint =>
  defineEndpoint({
    method: 'POST',
    path: '/api/access-control/check',
    summary: 'What a door would say to a card, now or at another time, and why',
    tag,
    access: { permission: 'accessEvent.read' },
    body: checkRequestSchema,
    response: checkAnswerSchema,
    refusals: [
      'portalUnknown',
      'portalAmbiguous',
      'memberUnknown',
      'credentialUnknown',
      'cardText',
      'noPolicy',
    ],
    async handle({ body }) {
      return await explainAccess(deps, body);
    },
  });
