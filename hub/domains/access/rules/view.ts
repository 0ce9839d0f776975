import { toIsoOrNull } from '#hub/kernel/time.ts';
import { stampToWire } from '#hub/store/entity-row.ts';
import type { RuleRow } from './repository.ts';
import type { Rule } from './schema.ts';

export const ruleToWire = (row: RuleRow): Rule => ({
  ...stampToWire(row),
  name: row.name,
  subject: row.subject,
  target: row.target,
  windows: row.windows,
  outsideOpeningHours: row.outsideOpeningHours,
  validFrom: toIsoOrNull(row.validFromMs),
  validUntil: toIsoOrNull(row.validUntilMs),
});
