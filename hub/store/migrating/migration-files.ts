import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { Fault } from '#hub/kernel/result.ts';

/** One frozen file `NNNN_name.sql`. Numbers begin at 1 and leave no gap. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly file: string;
  /** SHA-256 (hex) of the file's bytes. */
  readonly sha256: string;
  readonly sql: string;
}

const fileName = /^(?<number>\d{4})_(?<name>[a-z][a-z0-9]*(?:_[a-z0-9]+)*)\.sql$/;

/** The migrations that this release brings, in order. Fault `migrationSet`: names, gaps or numbers given twice. */
export function readMigrations(directory: string): readonly Migration[] {
  if (!existsSync(directory)) throw setFault(`the folder of migrations ${directory} does not exist`);
  const migrations = readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const { number, name } = fileName.exec(file)?.groups ?? {};
      if (number === undefined || name === undefined)
        throw setFault(`${path.join(directory, file)} must be called NNNN_name.sql, as 0007_printer.sql`);
      const bytes = readFileSync(path.join(directory, file));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { number: Number(number), name, file, sha256, sql: bytes.toString('utf8') };
    });
  for (const [index, migration] of migrations.entries()) {
    const before = migrations[index - 1];
    if (before?.number === migration.number)
      throw setFault(
        `${before.file} and ${migration.file} have the same number: give the newer one the next number`,
      );
    if (migration.number !== index + 1)
      throw setFault(
        `migration ${String(index + 1).padStart(4, '0')} is missing before ${migration.file} in ${directory}`,
      );
  }
  return migrations;
}

/** Makes the next migration's empty file and returns its path. Fault `migrationSet`: not a snake_case name, or a bad set. */
export function createMigration(directory: string, name: string): string {
  const number = String(readMigrations(directory).length + 1).padStart(4, '0');
  const file = `${number}_${name}.sql`;
  if (!fileName.test(file))
    throw setFault(
      `"${name}" cannot be a migration's name: use lower case words joined by _, as spool_weight`,
    );
  const target = path.join(directory, file);
  const descriptor = openSync(target, 'wx', 0o644);
  try {
    writeSync(
      descriptor,
      '-- Says why. Runs in a transaction of its own; frozen once it was applied anywhere.\n',
    );
  } finally {
    closeSync(descriptor);
  }
  return target;
}

/** `0007_printer` */
export const fullName = ({ number, name }: { number: number; name: string }): string =>
  `${String(number).padStart(4, '0')}_${name}`;

const setFault = (message: string): Fault => new Fault('migrationSet', message);
