import type { Selectable } from 'kysely';
import { z } from 'zod';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import {
  type PortalOverride,
  type PortalSettings,
  portalOverrideSchema,
  portalSettingsSchema,
} from '../schema.ts';
import type { PortalTable } from '../tables.ts';

export interface PortalRow extends RowStamp {
  readonly bridgeId: string;
  readonly key: string;
  readonly name: string;
  readonly areaId: string | null;
  readonly settings: PortalSettings;
  readonly override: PortalOverride | null;
  readonly readers: readonly string[];
  /** Seconds that anybody needs at least from here to the nearest other door; 0: not known. */
  readonly walkSeconds: number;
}
const readersSchema = z.array(z.string());
const toPortal = (row: Selectable<PortalTable>): PortalRow => ({
  ...stampOf(row),
  bridgeId: row.bridge_id,
  key: row.key,
  name: row.name,
  areaId: row.area_id,
  settings: portalSettingsSchema.parse(JSON.parse(row.settings)),
  override: row.override === null ? null : portalOverrideSchema.parse(JSON.parse(row.override)),
  readers: readersSchema.parse(JSON.parse(row.readers)),
  walkSeconds: row.walk_seconds,
});

const allPortals = rememberedQuery(
  {},
  (reader) =>
    reader.selectFrom('portal').selectAll().where('deleted_at_ms', 'is', null).orderBy('name').orderBy('id'),
  (rows) => rows.map(toPortal),
);

/** All portals, or one bridge's: there are tens. */
export async function findPortals(reader: Reader, bridgeId?: string): Promise<PortalRow[]> {
  const portals = await allPortals(reader, {});
  return portals.filter((portal) => bridgeId === undefined || portal.bridgeId === bridgeId);
}

export async function findPortal(reader: Reader, id: string): Promise<PortalRow | null> {
  const row = await reader
    .selectFrom('portal')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toPortal(row) : null;
}

export async function insertPortal(
  tx: Transaction,
  portal: Omit<PortalRow, Exclude<keyof RowStamp, 'id'> | 'walkSeconds'>,
): Promise<void> {
  await tx.insert('portal', {
    id: portal.id,
    bridge_id: portal.bridgeId,
    key: portal.key,
    name: portal.name,
    area_id: portal.areaId,
    settings: JSON.stringify(portal.settings),
    override: portal.override === null ? null : JSON.stringify(portal.override),
    readers: JSON.stringify(portal.readers),
  });
}

export const portalChanges = (
  changes: Partial<Pick<PortalRow, 'name' | 'areaId' | 'settings' | 'override' | 'readers' | 'walkSeconds'>>,
) => ({
  ...(changes.name === undefined ? {} : { name: changes.name }),
  ...(changes.areaId === undefined ? {} : { area_id: changes.areaId }),
  ...(changes.settings === undefined ? {} : { settings: JSON.stringify(changes.settings) }),
  ...(changes.override === undefined
    ? {}
    : { override: changes.override === null ? null : JSON.stringify(changes.override) }),
  ...(changes.readers === undefined ? {} : { readers: JSON.stringify(changes.readers) }),
  ...(changes.walkSeconds === undefined ? {} : { walk_seconds: changes.walkSeconds }),
});
