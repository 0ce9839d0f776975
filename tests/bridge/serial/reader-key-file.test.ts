import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ReaderKeyFile } from '#bridge/serial/reader-key-file.ts';
import type { Fault } from '#hub/kernel/result.ts';

const bridgeKey = randomBytes(32);
const [old, next] = [randomBytes(16), randomBytes(16)];
let directory = '';
let file = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'mc-'));
  file = path.join(directory, 'reader-keys.bin');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = async (key = bridgeKey): Promise<{ keys: ReaderKeyFile; faults: Fault[] }> => {
  const faults: Fault[] = [];
  return { keys: await ReaderKeyFile.open(directory, key, (fault) => faults.push(fault)), faults };
};

it('keeps the old key beside the new one until that has been proved', async () => {
  const { keys } = await open();
  await keys.saveOwn('front', old);
  await keys.savePending('front', next);
  expect((await open()).keys.find('front')).toEqual({ own: old, pending: next });
  await keys.saveOwn('front', next);
  expect((await open()).keys.find('front')).toEqual({ own: next, pending: null });
  expect((await open()).keys.find('back')).toEqual({ own: null, pending: null });
});

it('writes one after the other what is asked for at once', async () => {
  const { keys } = await open();
  const names = Array.from({ length: 10 }, (_, index) => `reader-${index}`);
  await Promise.all(names.map((name) => keys.saveOwn(name, old)));
  const { keys: again } = await open();
  expect(names.map((name) => again.find(name).own)).toEqual(names.map(() => old));
});

it.each([
  ['that was damaged', async () => writeFile(file, (await readFile(file)).reverse()), bridgeKey],
  ['of another bridge', async () => undefined, randomBytes(32)],
  ['that is empty', () => writeFile(file, ''), bridgeKey],
])('sets a file aside %s, says so, and goes on without keys', async (_what, spoil, key) => {
  const { keys } = await open();
  await keys.saveOwn('front', old);
  await spoil();
  const { keys: again, faults } = await open(key);
  expect(faults).toMatchObject([{ code: 'readerKeysUnreadable' }]);
  expect(again.find('front')).toEqual({ own: null, pending: null });
  expect(await readdir(directory)).toEqual(['reader-keys.bin.unreadable']);
  await again.saveOwn('front', next);
  expect((await open(key)).keys.find('front').own).toEqual(next);
});

it('that cannot be written keeps what was there', async () => {
  const { keys } = await open();
  await keys.saveOwn('front', old);
  await rm(directory, { recursive: true });
  await expect(keys.savePending('front', next)).rejects.toMatchObject({ code: 'fileNotWritten' });
  expect(keys.find('front')).toEqual({ own: old, pending: null });
});
