// Writes transactions of three rows until it is killed; prints the number of each one after its commit.
import { createLog } from '#hub/platform/log.ts';
import { openStore } from '#hub/store/open-store.ts';
import { asTestStore, registry, rightKey } from './store-tables.ts';

const [file, migrationsDir] = process.argv.slice(2);
const store = asTestStore(
  await openStore({
    path: file!,
    key: rightKey,
    registry,
    migrationsDir: migrationsDir!,
    clock: { nowMs: () => Date.now() },
    log: createLog({ level: 'silent' }),
  }),
);
const first = (await store.read.selectFrom('tick').select('n').execute()).length;
for (let n = first; ; n += 1) {
  await store.transact('three rows', async (tx) => {
    await tx.insert('thing', { id: `${process.pid}-${n}`, name: `${process.pid}-${n}` });
    await tx.append('line', { id: `${process.pid}-${n}`, body: 'x'.repeat(500) });
    await tx.local.insertInto('tick').values({ n, note: 'x' }).execute();
  });
  process.stdout.write(`${n}\n`);
}
