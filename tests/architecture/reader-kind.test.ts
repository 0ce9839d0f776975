import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const readers = 'firmware-bridge/readers';
const helpers = new Set(['blueprint.test.ts', 'uart-fixtures.ts']);

/** The new kind as a stranger makes it: the blueprint under another name, and one line. */
async function addKind(folder: string, name: string): Promise<void> {
  const rename = async (file: string): Promise<void> => {
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll('_blueprint', name).replaceAll('blueprint', name));
  };
  const own = path.join(folder, readers, name);
  await cp(path.join(root, readers, '_blueprint'), own, { recursive: true });
  for (const file of await readdir(own)) await rename(path.join(own, file));
  const tests = path.join(folder, 'tests/bridge/readers');
  await cp(path.join(tests, 'blueprint.test.ts'), path.join(tests, `${name}.test.ts`));
  await rename(path.join(tests, `${name}.test.ts`));
  const list = path.join(folder, readers, 'kinds.ts');
  const lines = await readFile(list, 'utf8');
  await writeFile(list, `${lines}export { ${name} } from './${name}/kind.ts';\n`);
}

/** Reads a card at such a reader: from the configuration to the hook, and what the bridge then tells the hub of it. */
const readACard = (name: string): string => `
import { bridgeConfigSchema } from '#bridge/config.ts';
import { ReaderHealth } from '#bridge/door/reader-health.ts';
import { isSerial } from '#bridge/readers/registry.ts';
import { drivenPorts } from '#bridge/serial/drivers.ts';
import { readerStateSchema } from '#hub/domains/access/controllers/link-schema.ts';

const config = bridgeConfigSchema.parse({
  portals: [
    {
      key: 'front',
      name: 'Front door',
      strike: { line: 17, failMode: 'secure' },
      readers: [{ key: 'front-reader', wiring: { kind: '${name}', port: '/dev/ttyAMA0' } }],
    },
  ],
});
const wired = config.portals.flatMap((portal) => portal.readers);
const setups = wired.flatMap(({ key, wiring }) =>
  isSerial(wiring) ? [{ readerKey: key, wiring, keys: { own: null, pending: null } }] : [],
);
const ignore = (): void => undefined;
const later = () => ignore;
const hooks = {
  onRead: ({ readerKey, read }: { readerKey: string; read: { hex: string } }): void => {
    process.stdout.write(readerKey + ' ' + read.hex + '\\n');
  },
  onKeys: ignore, onFault: ignore, onChange: ignore, onKeyPending: ignore, onKeySet: ignore,
  onKeyRefused: ignore,
};
for (const { driver } of await drivenPorts(setups, hooks, { now: () => 0, later })) {
  driver.onOpen({ write: ignore, setBaudRate: ignore });
  driver.onBytes(Buffer.from('$1A9B3FAA*14\\r'));
}
const clock = { nowMs: () => 0, monotonicMs: () => 0, trust: () => 'ntp' as const };
const book = new ReaderHealth(wired, { clock, later, append: () => null, onChange: ignore });
for (const state of book.report()) readerStateSchema.parse(state);
`;

describe('a new reader kind', () => {
  const name = 'turnstile';
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'makrcave-kind-'));
    for (const part of ['firmware-bridge', 'package.json', 'tsconfig.json'])
      await cp(path.join(root, part), path.join(folder, part), { recursive: true });
    for (const part of ['hub', 'node_modules']) await symlink(path.join(root, part), path.join(folder, part));
    await mkdir(path.join(folder, 'tests/bridge/readers'), { recursive: true });
    for (const file of helpers)
      await cp(
        path.join(root, 'tests/bridge/readers', file),
        path.join(folder, 'tests/bridge/readers', file),
      );
    await addKind(folder, name);
    await writeFile(path.join(folder, 'firmware-bridge/read-a-card.ts'), readACard(name));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is its folder and one line: the configuration accepts it, and a card read at it arrives', async () => {
    const { stdout } = await run(process.execPath, ['firmware-bridge/read-a-card.ts'], { cwd: folder });
    expect(stdout).toBe('front-reader 1a9b3faa\n');
  });

  it('type-checks with the whole bridge and with its own test', async () => {
    const files = ['firmware-bridge/**/*.ts', 'tests/bridge/readers/*.ts'];
    const config = { extends: './tsconfig.json', include: files };
    await writeFile(path.join(folder, 'tsconfig.kind.json'), JSON.stringify(config));
    const compiler = path.join(root, 'node_modules/.bin/tsc');
    await run(compiler, ['--noEmit', '-p', 'tsconfig.kind.json'], { cwd: folder }).catch((error: unknown) =>
      expect.fail(String(error instanceof Error && 'stdout' in error ? error.stdout : error)),
    );
  });
});

it('every reader kind is in the list and says how it is wired', async () => {
  const entries = await readdir(path.join(root, readers), { withFileTypes: true });
  const kinds = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const list = await readFile(path.join(root, readers, 'kinds.ts'), 'utf8');
  const listed = Array.from(
    list.matchAll(/^export \{ (\w+) \} from '\.\/\1\/kind\.ts';$/gm),
    ([, kind]) => kind,
  );
  expect(new Set(listed)).toEqual(new Set(kinds.filter((kind) => kind !== '_blueprint')));
  for (const kind of kinds) {
    const page = await readFile(path.join(root, readers, kind, 'README.md'), 'utf8');
    expect(page, kind).toMatch(/^## Wiring$/m);
  }
});
