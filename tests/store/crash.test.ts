import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeFolder, openTestStore } from './fixture.ts';

it('keeps every committed transaction whole and none in part when the process is killed', async () => {
  const folder = makeFolder();
  const { store, options } = await openTestStore(folder);
  await store.close();
  let committed = -1;
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(process.execPath, [
      path.resolve(import.meta.dirname, 'transaction-writer.ts'),
      options.path,
      options.migrationsDir,
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const killAfter = committed + 7 + round * 13;
    let text = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      text += String(chunk);
      // Only whole lines: the last one may still be coming.
      committed = Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
      // It is in the middle of a further transaction by now, at no particular point.
      if (committed >= killAfter) child.kill('SIGKILL');
    }
    await exited;

    const { store: reopened } = await openTestStore(folder, { migrationsDir: options.migrationsDir });
    const ticks = (await reopened.read.selectFrom('tick').select('n').orderBy('n').execute()).map(
      ({ n }) => n,
    );
    expect(ticks).toEqual(ticks.map((_, index) => index));
    // The commit of one more may have reached the disk before its line reached us.
    expect(ticks.length === committed + 1 || ticks.length === committed + 2).toBe(true);
    const count = async (table: 'thing' | 'line' | 'change'): Promise<number> =>
      (
        await reopened.read
          .selectFrom(table)
          .select(({ fn }) => fn.countAll<number>().as('n'))
          .executeTakeFirstOrThrow()
      ).n;
    expect([await count('thing'), await count('line'), await count('change')]).toEqual([
      ticks.length,
      ticks.length,
      ticks.length * 2,
    ]);
    committed = ticks.length - 1;
    await reopened.close();
  }
  expect(committed).toBeGreaterThan(20);
});
