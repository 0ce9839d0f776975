import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWrites, sourcesIn } from './write-scan.ts';

const hub = path.resolve(import.meta.dirname, '../../hub');

it('no file of the hub outside the store writes in another way than through a Transaction', () => {
  const files = sourcesIn(hub, [path.join(hub, 'store'), path.join(hub, 'ui')]);
  expect(files.length).toBeGreaterThan(50);
  expect(files.some((file) => file.endsWith('members/repository.ts'))).toBe(true);
  expect(files.flatMap((file) => findWrites(file))).toEqual([]);
});

describe('the scan', () => {
  it.each([
    ["await db.insertInto('member').values(row).execute();", 'insertInto not through tx.local'],
    ["await tx.updateTable('member').set({}).execute();", 'updateTable not through tx.local'],
    ["await tx\n  .with('x', f)\n  .deleteFrom('member').execute();", 'deleteFrom not through tx.local'],
    ["await tx.replaceInto('member');", 'replaceInto not through tx.local'],
    ["await tx.mergeInto('member');", 'mergeInto not through tx.local'],
    ["const local = tx; await local.insertInto('member');", 'insertInto not through tx.local'],
    ["const write = tx.insertInto; write('member');", 'insertInto not through tx.local'],
    ["await tx['insertInto']('member');", 'insertInto by its name'],
    ['const { deleteFrom: gone } = tx;', 'deleteFrom: gone taken out of its object'],
    ['await sql`delete from member where id = ${id}`.execute(tx);', 'SQL that writes'],
    ['await sql<Row>`INSERT OR REPLACE INTO member values (1)`.execute(tx);', 'SQL that writes'],
    ['await sql`pragma synchronous = off`.execute(tx);', 'SQL that writes'],
    ['await sql.raw(text).execute(tx);', 'SQL from a string'],
    ["import Sqlite from 'better-sqlite3-multiple-ciphers';", 'better-sqlite3-multiple-ciphers imported'],
    ["import { DatabaseSync } from 'node:sqlite';", 'node:sqlite imported'],
    ["import { Kysely } from 'kysely';", 'Kysely of kysely imported'],
    ["import * as kysely from 'kysely';", 'everything of kysely imported'],
    ["const sqlite = await import('better-sqlite3');", 'better-sqlite3 loaded at run time'],
  ])('finds %s', (source, what) => {
    const findings = findWrites('planted.ts', source);
    expect(findings.map((finding) => finding.what)).toContain(what);
    expect(findings[0]?.line).toBeGreaterThan(0);
  });

  it.each([
    "await tx.local.insertInto('tick').values({ n: 1 }).execute();",
    "await transaction.local\n  .deleteFrom('tick').execute();",
    "await tx.insert('member', row); await tx.write('member', id, {}); await tx.remove('member', id);",
    'const query = tx.selectFrom("member").select(sql<number>`count(*)`.as("n"));',
    "import { sql, type Kysely } from 'kysely';",
    "import type { Kysely } from 'kysely';",
    "type Local = Pick<Kysely<Database>, 'insertInto' | 'deleteFrom'>;",
    "createHash('sha256').update(text).digest('hex');",
  ])('passes %s', (source) => {
    expect(findWrites('fine.ts', source)).toEqual([]);
  });
});
