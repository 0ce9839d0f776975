import { Fault } from '#hub/kernel/result.ts';

/** Everything that can break in the store. */
export const storeFaultCodes = [
  'wrongKey',
  'storeCorrupt',
  'storeLocked',
  'storeBusy',
  'storeClosed',
  'storeFault',
  'diskFull',
  'constraint',
  'transactionIdle',
  'migrationSet',
  'migrationChanged',
  'migrationFailed',
  'storeTooNew',
  'registryMismatch',
] as const;
export type StoreFaultCode = (typeof storeFaultCodes)[number];

/** Kind of schema constraint that a write violated. */
export type ConstraintKind =
  | 'unique'
  | 'primaryKey'
  | 'foreignKey'
  | 'check'
  | 'notNull'
  | 'trigger'
  | 'other';

/**
 * A write broke a rule of the schema; the statement did nothing and the transaction goes on, so that a repository can
 * turn it into a refusal. `constraint` is, by kind: the columns of a unique rule (`member.number`, or `a.x, a.y`) or the
 * name of an index over an expression; a check's name; the column that may not be null; a trigger's message; empty for
 * a foreign key, which SQLite does not name.
 */
export class ConstraintFault extends Fault<'constraint'> {
  readonly kind: ConstraintKind;
  readonly constraint: string;

  constructor(kind: ConstraintKind, constraint: string, options?: ErrorOptions) {
    super('constraint', `the write breaks the ${kind} rule ${constraint || '(unnamed)'}`, options);
    this.kind = kind;
    this.constraint = constraint;
  }
}

/** An error as it crosses from a Worker: SQLite's own (`sqlite` is its code), or a Fault of ours (`fault`). */
export interface WireError {
  readonly message: string;
  readonly sqlite?: string;
  readonly fault?: StoreFaultCode;
}

/** Any error -> its form on the wire. */
export function errorToWire(error: unknown): WireError {
  if (error instanceof Fault) {
    const fault = storeFaultCodes.find((code) => code === error.code);
    return fault === undefined ? { message: error.message } : { message: error.message, fault };
  }
  if (!(error instanceof Error)) return { message: String(error) };
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_'))
    return { message: error.message, sqlite: error.code };
  return { message: error.message };
}

/** An error of opening the store at `path` -> its form on the wire; SQLite's own do not say which file. */
export function openingToWire(path: string, error: unknown): WireError {
  const wire = errorToWire(error);
  return wire.fault === undefined ? { ...wire, message: `${path}: ${wire.message}` } : wire;
}

/** An error of a statement or of opening -> the Fault that callers branch on. Its cause keeps SQLite's words. */
export function wireToFault(wire: WireError): Fault {
  const cause = new Error(wire.sqlite === undefined ? wire.message : `${wire.sqlite}: ${wire.message}`);
  if (wire.fault !== undefined) return new Fault(wire.fault, wire.message);
  const code = wire.sqlite ?? '';
  if (code.startsWith('SQLITE_CONSTRAINT')) {
    const { kind, constraint } = readConstraint(code, wire.message);
    return new ConstraintFault(kind, constraint, { cause });
  }
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE')
    return new Fault('diskFull', 'the disk is full: nothing of this was written. Free space and try again', {
      cause,
    });
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return new Fault(
      'storeBusy',
      'another program holds the lock of the store: nothing of this was written. Close it, then try again',
      { cause },
    );
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_IOERR_DATA')
    return new Fault('storeCorrupt', 'the store is damaged: stop the hub and restore a backup', { cause });
  return new Fault('storeFault', `the store failed: ${wire.message}`, { cause });
}

const constraintKinds: Readonly<Record<string, ConstraintKind>> = {
  SQLITE_CONSTRAINT_UNIQUE: 'unique',
  SQLITE_CONSTRAINT_PRIMARYKEY: 'primaryKey',
  SQLITE_CONSTRAINT_ROWID: 'primaryKey',
  SQLITE_CONSTRAINT_FOREIGNKEY: 'foreignKey',
  SQLITE_CONSTRAINT_CHECK: 'check',
  SQLITE_CONSTRAINT_NOTNULL: 'notNull',
  SQLITE_CONSTRAINT_TRIGGER: 'trigger',
};

// SQLite names a constraint only in its message, in one of a few fixed forms: "UNIQUE constraint failed: member.number",
// "UNIQUE constraint failed: index 'member_by_folded_name'", "CHECK constraint failed: positive", or a trigger's text.
function readConstraint(code: string, message: string): { kind: ConstraintKind; constraint: string } {
  const kind = constraintKinds[code] ?? 'other';
  if (kind === 'trigger') return { kind, constraint: message };
  const named = /constraint failed: (?:index '(?<index>[^']+)'|(?<name>.+))$/s.exec(message);
  return { kind, constraint: named?.groups?.['index'] ?? named?.groups?.['name'] ?? '' };
}
