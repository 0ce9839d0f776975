import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import type { RecoveryDeps } from './deps.ts';
import {
  recoveryCheckedSchema,
  recoveryCheckSchema,
  recoverySheetSchema,
  recoveryStateSchema,
} from './recovery-schema.ts';
import { checkRecoveryCode, loadRecoveryState, makeRecoverySheet } from './recovery-workflow.ts';

const base = '/api/access-control/recovery';
const tag = 'recovery';
const access = { permission: 'recovery.manage' } as const;

export const recoveryEndpoints = (deps: RecoveryDeps): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'Whether there is a recovery sheet, and what it brings back',
    tag,
    access,
    response: recoveryStateSchema,
    refusals: [],
    async handle() {
      return ok(await loadRecoveryState(deps));
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/sheet`,
    summary: 'Make a recovery sheet; the one before is void from then on',
    description:
      'The code unlocks the cards and PINs that a new box gets back from the centre. It is in this answer and nowhere else.',
    tag,
    access,
    body: emptySchema,
    response: recoverySheetSchema,
    answerIsSecret: true,
    status: 201,
    ratePerMinute: 10,
    refusals: [],
    async handle({ principal }) {
      return ok(await makeRecoverySheet(deps, principal));
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/check`,
    summary: 'Whether a recovery code is the one that counts',
    tag,
    access,
    body: recoveryCheckSchema,
    response: recoveryCheckedSchema,
    ratePerMinute: 30,
    refusals: ['noCardKey', 'recoveryCodeMistyped', 'recoveryCodeWrong', 'tooManyAttempts'],
    async handle({ principal, body }) {
      return await checkRecoveryCode(deps, principal, body.recoveryCode);
    },
  }),
];
