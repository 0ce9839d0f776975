import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { emptySchema, pageOf, wholeList } from '#hub/kernel/wire.ts';
import type { AccessParts } from '../parts.ts';
import { findRule, findRules } from '../rules/repository.ts';
import { ruleCreateSchema, rulePatchSchema, ruleSchema } from '../rules/schema.ts';
import { ruleToWire } from '../rules/view.ts';
import { changeRule, createRule, removeRule } from '../rules/workflow.ts';
import { portalPatchSchema, portalSchema } from './schema.ts';
import { loadPortal, loadPortals } from './view.ts';
import { changePortal, removePortal } from './workflow.ts';

const base = '/api/access-control';
const params = z.strictObject({ id: idSchema });

function portalEndpoints(parts: AccessParts): Endpoint[] {
  const tag = 'portals';
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/portals`,
      summary: 'All doors with their live state',
      tag,
      access: { permission: 'portal.read' },
      response: pageOf(portalSchema),
      refusals: [],
      handle: async () => ok(wholeList(await loadPortals(parts, parts.store.read))),
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/portals/{id}`,
      summary: 'One door',
      tag,
      access: { permission: 'portal.read' },
      params,
      response: portalSchema,
      refusals: ['portalNotFound'],
      async handle(call) {
        const portal = await loadPortal(parts, parts.store.read, call.params.id);
        return portal === null ? refuse({ code: 'portalNotFound' }) : ok(portal);
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/portals/{id}`,
      summary: 'Rename a door, move it to an area, change its settings',
      tag,
      access: { permission: 'portal.manage' },
      params,
      body: portalPatchSchema,
      response: portalSchema,
      refusals: ['portalNotFound', 'staleVersion', 'areaUnknown', 'settingsInvalid'],
      async handle(call) {
        const portal = await changePortal(parts, actorOf(call.principal), call.params.id, call.body);
        return portal;
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/portals/{id}`,
      summary: 'Remove a door that its controller no longer has, with its rules',
      tag,
      access: { permission: 'portal.manage' },
      params,
      response: emptySchema,
      refusals: ['portalNotFound', 'portalAnnounced'],
      async handle(call) {
        const done = await removePortal(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}

function ruleEndpoints(parts: AccessParts): Endpoint[] {
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
      handle: async () => ok(wholeList((await findRules(parts.store.read)).map(ruleToWire))),
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
        const rule = await findRule(parts.store.read, call.params.id);
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
        const rule = await createRule(parts, actorOf(principal), body);
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
        return await changeRule(parts, actorOf(call.principal), call.params.id, call.body);
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
        const done = await removeRule(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}

/** Doors and rules. These lists are bounded by what a policy may hold and come whole. */
export const placeEndpoints = (parts: AccessParts): Endpoint[] => [
  ...portalEndpoints(parts),
  ...ruleEndpoints(parts),
];
