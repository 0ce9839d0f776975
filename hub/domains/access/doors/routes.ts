import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { emptySchema, pageOf, wholeList } from '#hub/kernel/wire.ts';
import type { DoorDeps } from './deps.ts';
import { portalPatchSchema, portalSchema } from './schema.ts';
import { loadPortal, loadPortals } from './view.ts';
import { changePortal, removePortal } from './workflow.ts';

const base = '/api/access-control';
const params = z.strictObject({ id: idSchema });

/** Doors as they are set up. The list is bounded by what a policy may hold and comes whole. */
export function portalEndpoints(deps: DoorDeps): Endpoint[] {
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
      handle: async () => ok(wholeList(await loadPortals(deps, deps.store.read))),
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
        const portal = await loadPortal(deps, deps.store.read, call.params.id);
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
        const portal = await changePortal(deps, actorOf(call.principal), call.params.id, call.body);
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
        const done = await removePortal(deps, actorOf(call.principal), call.params.id);
        return done.ok ? ok({}) : done;
      },
    }),
  ];
}
