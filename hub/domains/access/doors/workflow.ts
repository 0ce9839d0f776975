import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { areaExists } from '#hub/domains/places/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { assertWritten, type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import type { AccessParts } from '../parts.ts';
import { findRules } from '../rules/repository.ts';
import { portalSettingsSchema } from '../schema.ts';
import { followPolicyChange } from './change-workflow.ts';
import { findPortal, findPortals, portalChanges } from './repository.ts';
import type { Portal, portalPatchSchema } from './schema.ts';
import { loadPortal } from './view.ts';

export type PortalRefusal =
  | Refusal<'portalNotFound'>
  | Stale<Portal>
  | FieldRefusal<'areaUnknown' | 'settingsInvalid'>;

async function showPortal(parts: AccessParts, tx: Transaction, id: string): Promise<Portal> {
  const portal = await loadPortal(parts, tx, id);
  assert(portal !== null, 'a portal that was just written is there');
  return portal;
}

export function changePortal(
  parts: AccessParts,
  actor: Actor,
  id: string,
  body: z.output<typeof portalPatchSchema>,
): Promise<Result<Portal, PortalRefusal>> {
  return parts.store.transact('portal.change', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    if (row.version !== body.version)
      return refuse({ code: 'staleVersion', current: await showPortal(parts, tx, id) });
    if (body.areaId !== undefined && body.areaId !== null && !(await areaExists(tx, body.areaId)))
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    const given = Object.entries(body.settings ?? {}).filter(([, value]) => value !== undefined);
    const settings = portalSettingsSchema.parse({ ...row.settings, ...Object.fromEntries(given) });
    if (settings.preAlarmSeconds >= settings.heldOpenSeconds)
      return refuse(
        fieldRefusal(
          'settingsInvalid',
          'settings/preAlarmSeconds',
          `must be less than heldOpenSeconds (${settings.heldOpenSeconds}); 0 = no warning`,
        ),
      );
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
    await followPolicyChange(parts, tx, actor, { action: 'portal.change', table: 'portal', id, payload });
    return ok(await showPortal(parts, tx, id));
  });
}

/** Only a door that its bridge no longer has can go: else it would come back with the next hello. */
export function removePortal(
  parts: AccessParts,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'portalNotFound'> | Refusal<'portalAnnounced'>>> {
  return parts.store.transact('portal.remove', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    const announced = parts.live.get(row.bridgeId)?.hello.portals ?? [];
    if (announced.some((portal) => portal.key === row.key)) return refuse({ code: 'portalAnnounced' });
    for (const rule of await findRules(tx))
      if (rule.target.kind === 'portal' && rule.target.id === id) await tx.remove('access_rule', rule.id);
    await tx.remove('portal', id);
    const payload = { name: row.name, key: row.key };
    await followPolicyChange(parts, tx, actor, { action: 'portal.remove', table: 'portal', id, payload });
    return ok(null);
  });
}

/** The doors and rules of an area, in words; while there are any, it cannot be removed. */
export async function findDoorsAndRulesAt(reader: Reader, areaId: string): Promise<readonly string[]> {
  return [
    ...(await findPortals(reader))
      .filter((portal) => portal.areaId === areaId)
      .map(({ name }) => `door ${name}`),
    ...(await findRules(reader))
      .filter(({ target }) => target.kind === 'area' && target.id === areaId)
      .map(({ name }) => `rule ${name}`),
  ];
}
