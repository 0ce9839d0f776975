import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { credentialSchema } from '../cards/schema.ts';
import type { PinDeps } from './deps.ts';
import { pinSetSchema } from './schema.ts';
import { removePin, setPin } from './workflow.ts';

const path = '/api/access-control/pins/{memberId}';
const tag = 'credentials';
const access = { permission: 'credential.manage' } as const;
const params = z.strictObject({ memberId: idSchema });

export const pinEndpoints = (deps: PinDeps): Endpoint[] => [
  defineEndpoint({
    method: 'PUT',
    path,
    summary: "Set a member's PIN, in the place of the one that they have; it can never be read again",
    tag,
    access,
    params,
    body: pinSetSchema,
    response: credentialSchema,
    // Each costs two runs of argon2id.
    ratePerMinute: 30,
    refusals: ['memberNotFound', 'pinWeak', 'pinTooAlike'],
    async handle(call) {
      return await setPin(deps, actorOf(call.principal), call.params.memberId, call.body);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path,
    summary: "Take a member's PIN away",
    tag,
    access,
    params,
    response: credentialSchema,
    refusals: ['pinNotSet'],
    async handle(call) {
      return await removePin(deps, actorOf(call.principal), call.params.memberId);
    },
  }),
];
