import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/*
 * Writes the types by which the web UI calls the hub, made from the document of a hub that runs for a second on a state
 * of its own. Nothing is done while the hub's sources are the ones that the file was made from.
 */
const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'hub/ui/src/api/schema.d.ts');

/** Digest of everything that the document can depend on. */
async function digestSources(): Promise<string> {
  const digest = createHash('sha256');
  const entries = await readdir(path.join(root, 'hub'), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(path.join(root, 'hub/ui')))
    .sort();
  for (const file of [...files, import.meta.filename, path.join(root, 'package-lock.json')])
    digest.update(file).update(await readFile(file));
  return digest.digest('hex');
}

type Json = Record<string, unknown>;
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Without what a caller has no type of: every refusal is thrown as the same problem, examples and headers are for people. */
function slim(value: unknown, under = ''): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => slim(item));
  if (!isJson(value)) return value;
  const isLeftOut = (key: string): boolean =>
    under === 'responses' ? /^[45]/.test(key) : ['example', 'examples', 'headers'].includes(key);
  return Object.fromEntries(
    Object.entries(value)
      // What stands under `properties` has names of its own.
      .filter(([key]) => under === 'properties' || !isLeftOut(key))
      .map(([key, inner]) => [key, slim(inner, key)]),
  );
}

async function readDocument(): Promise<string> {
  const { startHub } = await import('#hub/compose.ts');
  const { callControlSocket } = await import('#hub/cli/control-socket.ts');
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-types-'));
  const hub = await startHub({ env: { MAKRCAVE_STATE_DIR: stateDir }, listen: 'console' });
  try {
    const answer = await callControlSocket(path.join(stateDir, 'hub/hub.sock'), 'GET', '/openapi.json');
    if (answer.status !== 200) throw new Error(`/openapi.json: ${answer.status}`);
    return JSON.stringify(slim(answer.json));
  } finally {
    await hub.close();
    await rm(stateDir, { recursive: true, force: true });
  }
}

const mark = `// Made by scripts/api-types.ts from ${await digestSources()}\n`;
const known = await readFile(target, 'utf8').catch(() => '');
if (!known.startsWith(mark)) {
  const { default: openapiTypes, astToString } = await import('openapi-typescript');
  const types = await openapiTypes(await readDocument(), {
    // What has a default may be left out of a body.
    defaultNonNullable: false,
    alphabetize: true,
  });
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, mark + astToString(types));
}
