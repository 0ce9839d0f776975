import type { Selectable } from 'kysely';
import { z } from 'zod';
import { weeklyWindowsSchema } from '#hub/domains/places/schema.ts';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { PolicyRule, PortalOverride, PortalSettings } from '../schema.ts';
import {
  policyRuleSchema,
  portalOverrideSchema,
  portalSettingsSchema,
  ruleSubjectSchema,
  ruleTargetSchema,
} from '../schema.ts';
import type { AccessRuleTable, PortalTable } from '../tables.ts';

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

export interface RuleRow extends RowStamp, Omit<PolicyRule, 'id'> {}
const toRule = (row: Selectable<AccessRuleTable>): RuleRow => ({
  ...stampOf(row),
  name: row.name,
  subject: ruleSubjectSchema.parse(
    row.subject_id === null ? { kind: row.subject_kind } : { kind: row.subject_kind, id: row.subject_id },
  ),
  target: ruleTargetSchema.parse(
    row.target_id === null ? { kind: row.target_kind } : { kind: row.target_kind, id: row.target_id },
  ),
  windows: weeklyWindowsSchema.parse(JSON.parse(row.windows)),
  outsideOpeningHours: row.outside_opening_hours === 1,
  validFromMs: row.valid_from_ms,
  validUntilMs: row.valid_until_ms,
});
/** The rule as policies carry it. */
export const toPolicyRule = (rule: RuleRow): PolicyRule =>
  policyRuleSchema.parse({
    id: rule.id,
    name: rule.name,
    subject: rule.subject,
    target: rule.target,
    windows: rule.windows,
    outsideOpeningHours: rule.outsideOpeningHours,
    validFromMs: rule.validFromMs,
    validUntilMs: rule.validUntilMs,
  });

/** All rules, in the order in which they were made; bounded by `maxRules`. */
export async function findRules(reader: Reader): Promise<RuleRow[]> {
  const rows = await reader
    .selectFrom('access_rule')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRule);
}

export async function findRule(reader: Reader, id: string): Promise<RuleRow | null> {
  const row = await reader
    .selectFrom('access_rule')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toRule(row) : null;
}

/** The columns of a rule. */
export const ruleColumns = (rule: Omit<PolicyRule, 'id'>) => ({
  name: rule.name,
  subject_kind: rule.subject.kind,
  subject_id: rule.subject.kind === 'everyone' ? null : rule.subject.id,
  target_kind: rule.target.kind,
  target_id: rule.target.kind === 'site' ? null : rule.target.id,
  windows: JSON.stringify(rule.windows),
  outside_opening_hours: rule.outsideOpeningHours ? 1 : 0,
  valid_from_ms: rule.validFromMs,
  valid_until_ms: rule.validUntilMs,
});
