import { isStorableMs } from '#hub/kernel/moment.ts';
import { textPattern } from '#hub/kernel/plain-text.ts';
import type { ColumnValue } from '../canonical-json.ts';
import { ConstraintFault } from '../sqlite/store-faults.ts';

/** What is wrong with a value that came from elsewhere, by what the API takes of times and texts; null: nothing. */
function columnProblem(name: string, value: ColumnValue): string | null {
  if (typeof value === 'number' && name.endsWith('_ms') && !isStorableMs(value))
    return 'is a time that cannot be shown';
  if (typeof value !== 'string') return null;
  if (!value.isWellFormed()) return 'holds half of a character';
  return textPattern.test(value) ? null : 'holds control characters';
}

/**
 * Throws the `ConstraintFault` of the first column that the API would not have taken. For rows that people write: what a
 * door recorded is a fact, and shown as it is.
 */
export function checkColumns(table: string, columns: readonly (readonly [string, ColumnValue])[]): void {
  for (const [name, value] of columns) {
    const problem = columnProblem(name, value);
    if (problem !== null) throw new ConstraintFault('check', `${table}.${name} ${problem}`);
  }
}
