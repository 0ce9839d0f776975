import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
/** The domain as somebody would add it, at its places in the tree; `.txt` keeps it out of the product. */
const added = path.join(import.meta.dirname, 'lockers');
const copied = ['hub', 'firmware-bridge', 'migrations', 'config', 'tests/_support', 'scripts'];
const copiedFiles = ['package.json', 'package-lock.json', 'tsconfig.json', 'vitest.config.ts'];

let scratch: string;

/** Runs a program of the project's packages, or `node`, in the copy; rejects with all that it said. */
async function runThere(command: string, ...args: string[]): Promise<void> {
  const program = command === 'node' ? process.execPath : path.join(root, 'node_modules/.bin', command);
  // What this test run tells its own workers is not for the one in the copy.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|MAKRCAVE|NODE_ENV|NODE_V8|TEST)/.test(name)),
  );
  try {
    await run(program, args, { cwd: scratch, env, maxBuffer: 16 * 1_048_576 });
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout: string; readonly stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause });
  }
}

async function edit(file: string, from: RegExp, to: string): Promise<void> {
  const text = await readFile(path.join(scratch, file), 'utf8');
  expect(text, file).toMatch(from);
  await writeFile(path.join(scratch, file), text.replace(from, to));
}

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'makrcave-new-domain-'));
  for (const name of [...copied, ...copiedFiles])
    await cp(path.join(root, name), path.join(scratch, name), {
      recursive: true,
      filter: (file) => !/\/hub\/ui\/dist($|\/)/.test(file),
    });
  await symlink(path.join(root, 'node_modules'), path.join(scratch, 'node_modules'));
  for (const entry of await readdir(added, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const folder = path.join(scratch, path.relative(added, entry.parentPath));
    await mkdir(folder, { recursive: true });
    // A migration takes the number after the last.
    const number = String((await readdir(folder)).length + 1).padStart(4, '0');
    await cp(file, path.join(folder, entry.name.replace(/\.txt$/, '').replace('NNNN', number)));
  }
  // All that an author touches besides the domain's own files: its line in the list and its key in the example.
  await edit('hub/domains.ts', /^/, "import { lockers } from './domains/lockers/domain.ts';\n");
  await edit('hub/domains.ts', /(?<=\n {2}places,\n)/, '  lockers,\n');
  await edit('config/hub.example.yaml', /(?<=\n)clock:\n/, 'lockers:\n  maxLockers: 100\n\nclock:\n');
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

test('a new domain is its folder, two migrations, a page, tests, a line in the list and a key in the example', async () => {
  await runThere('node', 'scripts/api-types.ts');
  const names = await readFile(path.join(scratch, 'hub/ui/src/api/names.ts'), 'utf8');
  expect(names).toContain("'locker.manage'");
  expect(names).toContain("'locker.changed'");
  await runThere('tsc', '--noEmit', '-p', '.');
  await runThere('vitest', 'run', 'tests/lockers');
  await runThere('vite', 'build', '--config', 'hub/ui/vite.config.ts', '--logLevel', 'warn');
  const built = path.join(scratch, 'hub/ui/dist');
  const texts = await Promise.all(
    (await readdir(built, { recursive: true }))
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFile(path.join(built, file), 'utf8')),
  );
  expect(texts.filter((text) => text.includes('/settings/lockers'))).not.toEqual([]);
}, 180_000);
