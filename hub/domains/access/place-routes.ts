import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import type { AccessParts } from './parts.ts';
import { findAreas, findHolidays, findOpeningHours, findRule, findRules } from './place-repository.ts';
import {
  areaCreateSchema,
  areaPatchSchema,
  areaSchema,
  holidayCreateSchema,
  holidayPatchSchema,
  holidaySchema,
  openingHoursPutSchema,
  openingHoursSchema,
  portalPatchSchema,
  portalSchema,
  ruleCreateSchema,
  rulePatchSchema,
  ruleSchema,
} from './place-schema.ts';
import { areaToWire, holidayToWire, hoursToWire, loadPortal, loadPortals, ruleToWire } from './place-view.ts';
import {
  changeArea,
  changeHoliday,
  changePortal,
  createArea,
  createHoliday,
  putOpeningHours,
  removeArea,
  removeHoliday,
  removeOpeningHours,
  removePortal,
} from './place-workflow.ts';
import { changeRule, createRule, removeRule } from './rule-workflow.ts';
import { isoDateSchema } from './schema.ts';

const base = '/api/access-control';
const params = z.strictObject({ id: idSchema });
const gone = z.strictObject({});
/** These lists are bounded by what a policy may hold and come whole. */
const whole = <T>(items: T[]): { items: T[]; nextCursor: null } => ({ items, nextCursor: null });
const removed = {};

function areaEndpoints(parts: AccessParts): Endpoint[] {
  const tag = 'areas';
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/areas`,
      summary: 'All areas; parentId makes them a tree',
      tag,
      access: { permission: 'portal.read' },
      response: pageOf(areaSchema),
      refusals: [],
      handle: async () => ok(whole((await findAreas(parts.store.read)).map(areaToWire))),
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/areas`,
      summary: 'Add an area',
      tag,
      access: { permission: 'portal.manage' },
      body: areaCreateSchema,
      response: areaSchema,
      status: 201,
      refusals: ['areaNameTaken', 'areaUnknown', 'areaCycle', 'tooManyAreas'],
      async handle({ principal, body }) {
        return await createArea(parts, actorOf(principal), body);
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/areas/{id}`,
      summary: 'Rename or move an area',
      tag,
      access: { permission: 'portal.manage' },
      params,
      body: areaPatchSchema,
      response: areaSchema,
      refusals: ['areaNotFound', 'staleVersion', 'areaNameTaken', 'areaUnknown', 'areaCycle', 'tooManyAreas'],
      async handle(call) {
        return await changeArea(parts, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/areas/{id}`,
      summary: 'Remove an area that nothing stands on',
      tag,
      access: { permission: 'portal.manage' },
      params,
      response: gone,
      refusals: ['areaNotFound', 'areaInUse'],
      async handle(call) {
        const done = await removeArea(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok(removed) : done;
      },
    }),
  ];
}

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
      handle: async () => ok(whole(await loadPortals(parts, parts.store.read))),
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
      response: gone,
      refusals: ['portalNotFound', 'portalAnnounced'],
      async handle(call) {
        const done = await removePortal(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok(removed) : done;
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
      handle: async () => ok(whole((await findRules(parts.store.read)).map(ruleToWire))),
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
      response: gone,
      refusals: ['ruleNotFound'],
      async handle(call) {
        const done = await removeRule(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok(removed) : done;
      },
    }),
  ];
}

function scheduleEndpoints(parts: AccessParts): Endpoint[] {
  const tag = 'opening hours';
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/opening-hours`,
      summary: 'Weeks of areas and of the site; without any it is always open',
      tag,
      access: { permission: 'rule.read' },
      response: pageOf(openingHoursSchema),
      refusals: [],
      handle: async () => ok(whole((await findOpeningHours(parts.store.read)).map(hoursToWire))),
    }),
    defineEndpoint({
      method: 'PUT',
      path: `${base}/opening-hours`,
      summary: 'Set the week of an area, or of the site',
      tag,
      access: { permission: 'rule.manage' },
      body: openingHoursPutSchema,
      response: openingHoursSchema,
      refusals: ['areaUnknown'],
      async handle({ principal, body }) {
        return await putOpeningHours(parts, actorOf(principal), body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/opening-hours/{id}`,
      summary: 'Let an area follow its parent again, or the site be always open',
      tag,
      access: { permission: 'rule.manage' },
      params,
      response: gone,
      refusals: ['hoursNotFound'],
      async handle(call) {
        const done = await removeOpeningHours(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok(removed) : done;
      },
    }),
    ...holidayEndpoints(parts, tag),
  ];
}

function holidayEndpoints(parts: AccessParts, tag: string): Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/holidays`,
      summary: 'Days that differ from the weekly hours, from a date on',
      tag,
      access: { permission: 'rule.read' },
      query: z.strictObject({
        from: isoDateSchema
          .optional()
          .meta({ description: 'Earliest day, YYYY-MM-DD in the zone of the site' }),
      }),
      response: pageOf(holidaySchema),
      refusals: [],
      handle: async ({ query }) =>
        ok(whole((await findHolidays(parts.store.read, query.from ?? '')).map(holidayToWire))),
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/holidays`,
      summary: 'Add a day; closed where it has no windows',
      tag,
      access: { permission: 'rule.manage' },
      body: holidayCreateSchema,
      response: holidaySchema,
      status: 201,
      refusals: ['areaUnknown', 'dayTaken', 'tooManyHolidays'],
      async handle({ principal, body }) {
        return await createHoliday(parts, actorOf(principal), body);
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/holidays/{id}`,
      summary: 'Change a day',
      tag,
      access: { permission: 'rule.manage' },
      params,
      body: holidayPatchSchema,
      response: holidaySchema,
      refusals: ['holidayNotFound', 'staleVersion', 'dayTaken'],
      async handle(call) {
        return await changeHoliday(parts, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/holidays/{id}`,
      summary: 'Remove a day',
      tag,
      access: { permission: 'rule.manage' },
      params,
      response: gone,
      refusals: ['holidayNotFound'],
      async handle(call) {
        const done = await removeHoliday(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok(removed) : done;
      },
    }),
  ];
}

export const placeEndpoints = (parts: AccessParts): Endpoint[] => [
  ...areaEndpoints(parts),
  ...portalEndpoints(parts),
  ...ruleEndpoints(parts),
  ...scheduleEndpoints(parts),
];
