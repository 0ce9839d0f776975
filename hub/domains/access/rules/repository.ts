import type { Selectable } from 'kysely';
import { weeklyWindowsSchema } from '#hub/domains/places/schema.ts';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import type { Reader } from '#hub/store/store.ts';
import { type PolicyRule, policyRuleSchema, ruleSubjectSchema, ruleTargetSchema } from '../schema.ts';
import type { AccessRuleTable } from '../tables.ts';

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
