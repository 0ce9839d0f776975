import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TopicSpec } from '#hub/kernel/vocabulary.ts';

/*
 * Writes the types by which the web UI calls the hub, and the names of its permissions and topics, made from a hub that
 * runs for a second on a state of its own. Nothing is done while the hub's sources are the ones that the file was made from.
 */
const root = path.resolve(import.meta.dirname, '..');
const typesFile = path.join(root, 'hub/ui/src/api/schema.d.ts');
const namesFile = path.join(root, 'hub/ui/src/api/names.ts');
/** The name of the schema that has a property for each topic. */
const announcedSchema = 'Announced';

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

/** The schemas of what is announced, by topic, beside those of the document. */
async function topicSchemas(
  topics: Readonly<Record<string, TopicSpec>>,
  named: Json,
): Promise<Readonly<Record<string, unknown>>> {
  const { isJson: isSchema, toJsonSchema } = await import('#hub/http/openapi/schemas.ts');
  const components = new Map(
    Object.entries(named).filter((entry): entry is [string, Json] => isSchema(entry[1])),
  );
  const properties = Object.fromEntries(
    Object.entries(topics).map(([topic, { data }]) => [topic, toJsonSchema(components, data, 'output')]),
  );
  const announced = {
    type: 'object',
    properties,
    required: Object.keys(topics),
    additionalProperties: false,
  };
  return { ...Object.fromEntries(components), [announcedSchema]: announced };
}

interface HubWords {
  /** The OpenAPI document, slim. */
  readonly document: string;
  readonly topics: readonly string[];
  readonly lastingTopics: readonly string[];
  readonly permissions: readonly string[];
}

async function readHub(): Promise<HubWords> {
  const { startHub } = await import('#hub/compose.ts');
  const { callControlSocket } = await import('#hub/cli/control-socket.ts');
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-types-'));
  const hub = await startHub({
    env: { MAKRCAVE_STATE_DIR: stateDir },
    listen: 'console',
    makesStore: true,
  });
  try {
    const answer = await callControlSocket(path.join(stateDir, 'hub/hub.sock'), 'GET', '/openapi.json');
    if (answer.status !== 200) throw new Error(`/openapi.json: ${answer.status}`);
    const { components } = answer.json;
    if (!isJson(components) || !isJson(components['schemas'])) throw new Error('the document names schemas');
    const { topics, permissions } = hub.domains.catalog;
    const schemas = await topicSchemas(topics, components['schemas']);
    return {
      document: JSON.stringify(slim({ ...answer.json, components: { ...components, schemas } })),
      topics: Object.keys(topics),
      lastingTopics: Object.keys(topics).filter((topic) => topics[topic]?.lasting),
      permissions: permissions.names,
    };
  } finally {
    await hub.close();
    await rm(stateDir, { recursive: true, force: true });
  }
}

const mark = `// Made by scripts/api-types.ts from ${await digestSources()}\n`;
const isCurrent = async (file: string): Promise<boolean> =>
  (await readFile(file, 'utf8').catch(() => '')).startsWith(mark);
if (!(await isCurrent(typesFile)) || !(await isCurrent(namesFile))) {
  const { default: openapiTypes, astToString } = await import('openapi-typescript');
  const { document, topics, lastingTopics, permissions } = await readHub();
  const types = await openapiTypes(document, {
    // What has a default may be left out of a body.
    defaultNonNullable: false,
    alphabetize: true,
  });
  const unionOf = (names: readonly string[]): string => names.map((name) => `  | '${name}'`).join('\n');
  const listOf = (names: readonly string[]): string =>
    `[\n${names.map((name) => `  '${name}',\n`).join('')}]`;
  const names = `import type { components } from './schema.d.ts';

/** Every permission of the hub. */
export type Permission =
${unionOf(permissions)};

/** What is announced, by topic. */
export type Announced = components['schemas']['${announcedSchema}'];
export type Topic = keyof Announced;
/** Topics that webhooks can subscribe to. */
export type LastingTopic =
${unionOf(lastingTopics)};

/** Every topic that the hub announces. */
export const topics: readonly Topic[] = ${listOf(topics)};
`;
  await mkdir(path.dirname(typesFile), { recursive: true });
  await writeFile(typesFile, mark + astToString(types));
  await writeFile(namesFile, mark + names);
}
