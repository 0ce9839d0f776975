import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectCentral } from '#hub/sync/central/connection.ts';
import { migrateCentral } from '#hub/sync/central/migrations.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { CentralSite, Replica } from '../replicas.ts';

const root = path.resolve(import.meta.dirname, '../../..');
let server: PostgresServer;
let central: CentralSite;
let replica: Replica;
beforeAll(async () => {
  server = await usePostgres({ version: 15 });
  const { url } = await server.createDatabase();
  const connection = await connectCentral({ url, connectTimeoutMs: 10_000, queryTimeoutMs: null });
  await migrateCentral(connection, path.join(root, 'migrations/postgres'));
  await connection.close();
  central = await CentralSite.open(url);
  replica = await Replica.open();
});
afterAll(async () => {
  await replica.close();
  await central.close();
  await server.stop();
});

it('has every replicated table of the hub, with its columns and its class', async () => {
  const { rows } = await central.admin.query('select tbl, class, columns from sync.entity order by tbl');
  const here = replica.store.replication.tables.map(({ name, class: kind }) => ({
    tbl: name,
    class: kind,
    columns: [...replica.columns(name)].sort(),
  }));
  const there = rows.map((row: { tbl: string; class: string; columns: string[] }) => ({
    ...row,
    columns: [...row.columns].sort(),
  }));
  expect(there).toEqual(here.sort((left, right) => (left.tbl < right.tbl ? -1 : 1)));
});

it('keeps numbers as int8 and everything else as text or a UUID, so that both sides can be equal', async () => {
  for (const { name } of replica.store.replication.tables) {
    const { rows } = await central.admin.query(
      `select column_name, data_type from information_schema.columns
       where table_schema = 'makrcave' and table_name = $1 and column_name = any($2)`,
      [name, replica.columns(name)],
    );
    const types = new Map(
      rows.map((row: { column_name: string; data_type: string }) => [row.column_name, row.data_type]),
    );
    const shape = replica.all(`select name, type from pragma_table_info('${name}')`) as {
      name: string;
      type: string;
    }[];
    for (const { name: column, type } of shape.filter((one) => types.has(one.name)))
      expect(`${name}.${column} ${types.get(column)}`).toMatch(
        type === 'INTEGER' ? / bigint$/ : / (text|uuid)$/,
      );
    expect(types.size).toBe(replica.columns(name).length);
  }
});

it('protects every table by forced row-level security', async () => {
  const { rows } = await central.admin.query(`
    select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('sync', 'makrcave') and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)
    order by 1`);
  // Of no site: what this centre speaks, one-time codes by their hash, and the migrations.
  expect(rows.map((row: { name: string }) => row.name)).toEqual([
    'sync.entity',
    'sync.invitation',
    'sync.migration',
    'sync.schema_range',
  ]);
});

it('answers the questions that its documentation asks', async () => {
  const page = await readFile(path.join(root, 'docs/centre.md'), 'utf8');
  const block = /```sql\n(.*?)```/s.exec(page)?.[1] ?? '';
  const questions = block.split(';').filter((text) => text.trim() !== '');
  expect(questions).toHaveLength(3);
  for (const question of questions) await central.admin.query(question);
});
