import { assert, Fault } from '#hub/kernel/result.ts';
import type { ColumnValues } from './canonical-json.ts';
import type { TableRegistration } from './store.ts';
import type { TableShape } from './workers/worker-protocol.ts';

/** Registrations of the domains, by table. */
export type Registrations = Readonly<Record<string, TableRegistration>>;

/** The tables that the store itself keeps; registered by `openStore`. */
export const storeTables = {
  change: { class: 'local', owner: 'hub', personalColumns: [] },
  migration: { class: 'local', owner: 'hub', personalColumns: [] },
  store_fact: { class: 'local', owner: 'hub', personalColumns: [] },
  sync_position: { class: 'local', owner: 'hub', personalColumns: [] },
} as const satisfies Registrations;

/** Local, but written by the store alone. */
export const sealedTables: ReadonlySet<string> = new Set(['change', 'migration', 'sync_position']);

/** One table: its registration and its columns in the database. */
export interface Table {
  readonly name: string;
  readonly registration: TableRegistration;
  readonly columns: ReadonlySet<string>;
  /** A row of which nothing was said: what each column holds where an insert does not name it. */
  readonly emptyRow: ColumnValues;
}
/** By name. */
export type Tables = ReadonlyMap<string, Table>;

const keptColumns = {
  state: ['id', 'version', 'created_at_ms', 'updated_at_ms', 'deleted_at_ms'],
  append: ['id', 'created_at_ms'],
  local: [],
} as const;

/** Joins both, or throws the Fault `registryMismatch` that names every table where they differ, and how. */
export function joinRegistry(registrations: Registrations, shapes: readonly TableShape[]): Tables {
  const all: Registrations = { ...registrations, ...storeTables };
  const shapeByName = new Map(shapes.map((shape) => [shape.name, shape]));
  const problems = [
    ...shapes
      .filter(({ name }) => all[name] === undefined)
      .map(({ name }) => `table ${name} is not registered: register it where its domain lists its tables`),
    ...Object.entries(all).flatMap(([name, registration]) => {
      const shape = shapeByName.get(name);
      if (shape === undefined) return [`table ${name} is registered, but no migration makes it`];
      return tableProblems(registration, shape);
    }),
  ];
  if (problems.length > 0)
    throw new Fault('registryMismatch', `the store does not open: ${problems.join('; ')}`);
  return new Map(
    shapes.map(({ name, columns, defaults }) => {
      const registration = all[name];
      assert(registration !== undefined, `table ${name} is registered`);
      const emptyRow = Object.fromEntries(columns.map((column) => [column, defaults[column] ?? null]));
      return [name, { name, registration, columns: new Set(columns), emptyRow }];
    }),
  );
}

function tableProblems(registration: TableRegistration, shape: TableShape): string[] {
  const missing = keptColumns[registration.class].filter((column) => !shape.columns.includes(column));
  const unknown = registration.personalColumns.filter((column) => !shape.columns.includes(column));
  const isKeyed = registration.class === 'local' || shape.primaryKey.join() === 'id';
  const isVersioned = registration.class === 'append' && shape.columns.includes('version');
  const table = `table ${shape.name} (${registration.class})`;
  return [
    ...missing.map((column) => `${table} lacks the column ${column}`),
    ...unknown.map((column) => `${table} has no column ${column}, which is registered as personal`),
    ...(isKeyed ? [] : [`${table} must have the primary key id`]),
    ...(isVersioned ? [`${table} has a version, but its rows never change`] : []),
  ];
}
