import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import type { CardDeps } from '../cards/deps.ts';
import { credentialActionSchema, credentialSchema } from '../cards/schema.ts';
import { loadCredential } from '../cards/workflow.ts';
import { dismissCopy } from './workflow.ts';

const base = '/api/access-control';
const tag = 'credentials';
const params = z.strictObject({ id: idSchema });

export function cloneEndpoint(deps: CardDeps): Endpoint {
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
      const dismissed = await dismissCopy(deps, actorOf(call.principal), id, reason);
      if (!dismissed.ok) return dismissed;
      return await loadCredential(deps, id);
    },
  });
}
