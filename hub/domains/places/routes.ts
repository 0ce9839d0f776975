import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireDate } from '#hub/kernel/moment.ts';
import { ok } from '#hub/kernel/result.ts';
import { emptySchema, pageOf, wholeList } from '#hub/kernel/wire.ts';
import { findAreas, findHolidays, findOpeningHours } from './repository.ts';
import {
  areaCreateSchema,
  areaPatchSchema,
  areaSchema,
  holidayCreateSchema,
  holidayPatchSchema,
  holidaySchema,
  openingHoursPutSchema,
  openingHoursSchema,
} from './schema.ts';
import { areaToWire, holidayToWire, hoursToWire } from './view.ts';
import {
  changeArea,
  changeHoliday,
  createArea,
  createHoliday,
  type PlaceDeps,
  putOpeningHours,
  removeArea,
  removeHoliday,
  removeOpeningHours,
} from './workflow.ts';

const base = '/api/access-control';
const params = z.strictObject({ id: idSchema });

function areaEndpoints(deps: PlaceDeps): Endpoint[] {
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
      handle: async () => ok(wholeList((await findAreas(deps.store.read)).map(areaToWire))),
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
        return await createArea(deps, actorOf(principal), body);
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
        return await changeArea(deps, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/areas/{id}`,
      summary: 'Remove an area that nothing stands on',
      tag,
      access: { permission: 'portal.manage' },
      params,
      response: emptySchema,
      refusals: ['areaNotFound', 'areaInUse'],
      async handle(call) {
        const done = await removeArea(deps, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}

function scheduleEndpoints(deps: PlaceDeps): Endpoint[] {
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
      handle: async () => ok(wholeList((await findOpeningHours(deps.store.read)).map(hoursToWire))),
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
        return await putOpeningHours(deps, actorOf(principal), body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/opening-hours/{id}`,
      summary: 'Let an area follow its parent again, or the site be always open',
      tag,
      access: { permission: 'rule.manage' },
      params,
      response: emptySchema,
      refusals: ['hoursNotFound'],
      async handle(call) {
        const done = await removeOpeningHours(deps, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
    ...holidayEndpoints(deps, tag),
  ];
}

function holidayEndpoints(deps: PlaceDeps, tag: string): Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: `${base}/holidays`,
      summary: 'Days that differ from the weekly hours, from a date on',
      tag,
      access: { permission: 'rule.read' },
      query: z.strictObject({
        from: wireDate.optional().meta({ description: 'Earliest day, YYYY-MM-DD in the zone of the site' }),
      }),
      response: pageOf(holidaySchema),
      refusals: [],
      handle: async ({ query }) =>
        ok(wholeList((await findHolidays(deps.store.read, query.from ?? '')).map(holidayToWire))),
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
        return await createHoliday(deps, actorOf(principal), body);
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
        return await changeHoliday(deps, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/holidays/{id}`,
      summary: 'Remove a day',
      tag,
      access: { permission: 'rule.manage' },
      params,
      response: emptySchema,
      refusals: ['holidayNotFound'],
      async handle(call) {
        const done = await removeHoliday(deps, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}

/** Areas, opening hours and holidays. These lists are bounded by what a policy may hold and come whole. */
export const placeEndpoints = (deps: PlaceDeps): readonly Endpoint[] => [
  ...areaEndpoints(deps),
  ...scheduleEndpoints(deps),
];
