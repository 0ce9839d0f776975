import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { emptySchema, pageOf, wholeList } from '#hub/kernel/wire.ts';
import type { RuleDeps } from './deps.ts';
import { findRule, findRules } from './repository.ts';
import { ruleCreateSchema, rulePatchSchema, ruleSchema } from './schema.ts';
import { ruleToWire } from './view.ts';
import { changeRule, createRule, removeRule } from './workflow.ts';

const base = '/api/access-control';
const params = z.strictObject({ id: idSchema });

/** The list is bounded by what a policy may hold and comes whole. */
export function ruleEndpoints(deps: RuleDeps): Endpoint[] {
  const tag = 'rules';
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/rules`,
      summary: 'All rules. A rule only permits; where none does, access is denied',
      tag,
      access: { permission: 'rule.read' },
      response: pageOf(ruleSchema),
      refusals: [],
      handle: async () => ok(wholeList((await findRules(deps.store.read)).map(ruleToWire))),
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/rules/{id}`,
      summary: 'One rule',
      tag,
      access: { permission: 'rule.read' },
      params,
      response: ruleSchema,
      refusals: ['ruleNotFound'],
      async handle(call) {
        const rule = await findRule(deps.store.read, call.params.id);
        return rule === null ? refuse({ code: 'ruleNotFound' }) : ok(ruleToWire(rule));
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/rules`,
      summary: 'Add a rule',
      tag,
      access: { permission: 'rule.manage' },
      body: ruleCreateSchema,
      response: ruleSchema,
      status: 201,
      refusals: ['ruleInvalid', 'tooManyRules'],
      async handle({ principal, body }) {
        const rule = await createRule(deps, actorOf(principal), body);
        return rule;
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/rules/{id}`,
      summary: 'Change a rule',
      tag,
      access: { permission: 'rule.manage' },
      params,
      body: rulePatchSchema,
      response: ruleSchema,
      refusals: ['ruleNotFound', 'staleVersion', 'ruleInvalid', 'tooManyRules'],
      async handle(call) {
        return await changeRule(deps, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/rules/{id}`,
      summary: 'Remove a rule',
      tag,
      access: { permission: 'rule.manage' },
      params,
      response: emptySchema,
      refusals: ['ruleNotFound'],
      async handle(call) {
        const done = await removeRule(deps, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}
