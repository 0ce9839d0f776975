import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { areaExists } from '#hub/domains/places/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import { assertWritten, type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import { portalSettingsSchema } from '../schema.ts';
import { followPolicyChange } from './change-workflow.ts';
import type { DoorDeps } from './deps.ts';
import { findPortal, portalChanges } from './repository.ts';
import type { Portal, portalPatchSchema } from './schema.ts';
import { settingsErrors } from './settings-rules.ts';
import { loadPortal } from './view.ts';

export type PortalRefusal =
  | Refusal<'portalNotFound'>
  | Stale<Portal>
  | FieldRefusal<'areaUnknown' | 'settingsInvalid'>;

async function showPortal(deps: DoorDeps, tx: Transaction, id: string): Promise<Portal> {
  const portal = await loadPortal(deps, tx, id);
  assert(portal !== null, 'a portal that was just written is there');
  return portal;
}

export function changePortal(
  deps: DoorDeps,
  actor: Actor,
  id: string,
  body: z.output<typeof portalPatchSchema>,
): Promise<Result<Portal, PortalRefusal>> {
  return deps.store.transact('portal.change', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    if (row.version !== body.version)
      return refuse({ code: 'staleVersion', current: await showPortal(deps, tx, id) });
    if (body.areaId !== undefined && body.areaId !== null && !(await areaExists(tx, body.areaId)))
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    const given = Object.entries(body.settings ?? {}).filter(([, value]) => value !== undefined);
    const settings = portalSettingsSchema.parse({ ...row.settings, ...Object.fromEntries(given) });
    const errors = body.settings === undefined ? [] : settingsErrors(settings);
    if (errors.length > 0)
      return refuse({
        code: 'settingsInvalid',
        errors: errors.map(({ field, message }) => ({ pointer: `/body/settings/${field}`, message })),
      });
    const changes = {
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.areaId === undefined ? {} : { areaId: body.areaId }),
      ...(body.walkSeconds === undefined ? {} : { walkSeconds: body.walkSeconds }),
      settings,
    };
    assertWritten(await tx.write('portal', id, portalChanges(changes)));
    const payload = {
      name: body.name ?? row.name,
      walkSeconds: body.walkSeconds ?? row.walkSeconds,
      settings: { ...settings, schedule: settings.schedule.length },
    };
    await followPolicyChange(deps, tx, actor, { action: 'portal.change', table: 'portal', id, payload });
    return ok(await showPortal(deps, tx, id));
  });
}

/** Only a door that its bridge no longer has can go: else it would come back with the next hello. */
export function removePortal(
  deps: DoorDeps,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'portalNotFound'> | Refusal<'portalAnnounced'>>> {
  return deps.store.transact('portal.remove', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    const announced = deps.live.get(row.bridgeId)?.hello.portals ?? [];
    if (announced.some((portal) => portal.key === row.key)) return refuse({ code: 'portalAnnounced' });
    await deps.removeRulesOf(tx, id);
    await tx.remove('portal', id);
    const payload = { name: row.name, key: row.key };
    await followPolicyChange(deps, tx, actor, { action: 'portal.remove', table: 'portal', id, payload });
    return ok(null);
  });
}
