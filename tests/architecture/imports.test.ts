import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { domains } from '#hub/domains.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const configFile = '.dependency-cruiser.cjs';
const config = createRequire(import.meta.url)(path.join(root, configFile)) as {
  forbidden: { name: string }[];
};

interface CruiseOutput {
  summary: { totalCruised: number; violations: { rule: { name: string }; from: string }[] };
}

async function cruise(folder: string): Promise<CruiseOutput['summary']> {
  const command = path.join(root, 'node_modules/.bin/depcruise');
  const args = ['hub', 'firmware-bridge', '--config', configFile, '--output-type', 'json'];
  const { stdout } = await run(process.execPath, [command, ...args], {
    cwd: folder,
    maxBuffer: 64 * 1_048_576,
  });
  return (JSON.parse(stdout) as CruiseOutput).summary;
}

/** For each rule a file that breaks it. */
const violations: Record<string, { file: string; source: string }> = {
  'no-cycles': { file: 'hub/store/cycle-a.ts', source: "import './cycle-b.ts';" },
  'not-resolvable': { file: 'hub/store/lost.ts', source: "import './nowhere.ts';" },
  'kernel-imports-nothing-of-ours': { file: 'hub/kernel/bad.ts', source: "import '#hub/store/target.ts';" },
  'kernel-only-zod-and-temporal': { file: 'hub/kernel/bad-package.ts', source: "import 'pino';" },
  'rules-are-pure': { file: 'hub/domains/one/rules.ts', source: "import '#hub/store/target.ts';" },
  'domains-meet-at-schema-rules-workflow': {
    file: 'hub/domains/one/workflow.ts',
    source: "import '#hub/domains/two/repository.ts';",
  },
  'bridge-sees-little-of-the-hub': {
    file: 'firmware-bridge/bad.ts',
    source: "import '#hub/store/target.ts';",
  },
  'bridge-ports-stand-on-nothing': {
    file: 'firmware-bridge/ports.ts',
    source: "import '#bridge/target.ts';",
  },
  'bridge-config-knows-wiring-only': {
    file: 'firmware-bridge/config.ts',
    source: "import '#bridge/door/target.ts';",
  },
  'bridge-room-gpio': { file: 'firmware-bridge/gpio/bad.ts', source: "import '#bridge/readers/target.ts';" },
  'bridge-room-journal': {
    file: 'firmware-bridge/journal/bad.ts',
    source: "import '#bridge/link/target.ts';",
  },
  'bridge-room-pin': { file: 'firmware-bridge/pin/bad.ts', source: "import '#bridge/door/target.ts';" },
  'bridge-room-policy': { file: 'firmware-bridge/policy/bad.ts', source: "import '#bridge/link/target.ts';" },
  'bridge-room-readers': {
    file: 'firmware-bridge/readers/bad.ts',
    source: "import '#bridge/serial/target.ts';",
  },
  'bridge-room-serial': { file: 'firmware-bridge/serial/bad.ts', source: "import '#bridge/door/target.ts';" },
  'bridge-room-link': { file: 'firmware-bridge/link/bad.ts', source: "import '#bridge/door/target.ts';" },
  'bridge-room-door': { file: 'firmware-bridge/door/bad.ts', source: "import '#bridge/link/target.ts';" },
  'reader-kinds-are-named-in-one-list': {
    file: 'firmware-bridge/serial/bad-kind.ts',
    source: "import '#bridge/readers/one/target.ts';",
  },
  'reader-kinds-stand-alone': {
    file: 'firmware-bridge/readers/two/bad.ts',
    source: "import '#bridge/readers/one/target.ts';",
  },
  'hub-never-imports-the-bridge': { file: 'hub/http/bad.ts', source: "import '#bridge/target.ts';" },
  'product-never-imports-tests': { file: 'hub/http/bad-test.ts', source: "import '#tests/target.ts';" },
  'ui-takes-only-types-of-schemas': { file: 'hub/ui/src/bad.ts', source: "import '#hub/store/target.ts';" },
  'ui-takes-schemas-as-types-only': {
    file: 'hub/ui/src/bad-value.ts',
    source: "import { value } from '#hub/domains/two/schema.ts';\nexport const copy = value;",
  },
  'ui-floor-pages': { file: 'hub/ui/src/pages/one/bad-floor.ts', source: "import '../../app/target.ts';" },
  'ui-floor-parts': { file: 'hub/ui/src/parts/bad.ts', source: "import '../pages/one/target.ts';" },
  'ui-floor-state': { file: 'hub/ui/src/state/bad.ts', source: "import '../parts/target.ts';" },
  'ui-floor-live': { file: 'hub/ui/src/live/bad.ts', source: "import '../state/target.ts';" },
  'ui-pages-keep-to-their-domain': {
    file: 'hub/ui/src/pages/one/bad.ts',
    source: "import '../two/target.ts';",
  },
  'ui-pages-of-members': {
    file: 'hub/ui/src/pages/members/bad.ts',
    source: "import '../access/target.ts';",
  },
  'ui-pages-of-access': {
    file: 'hub/ui/src/pages/access/bad.ts',
    source: "import '../members/target.ts';",
  },
  'ui-pages-of-timeline': {
    file: 'hub/ui/src/pages/timeline/bad.ts',
    source: "import '../access/target.ts';",
  },
  'brokers-know-domains-by-schema-rules-link': {
    file: 'hub/mqtt/bad-floor.ts',
    source: "import '#hub/domains/two/repository.ts';",
  },
  'compose-takes-domains-from-their-list': {
    file: 'hub/bad-compose.ts',
    source: "import '#hub/domains/two/repository.ts';",
  },
  'demo-acts-as-the-api-does': {
    file: 'hub/demo/bad.ts',
    source: "import '#hub/domains/two/repository.ts';",
  },
  'driver-sqlite': { file: 'hub/http/bad-sqlite.ts', source: "import 'better-sqlite3-multiple-ciphers';" },
  'driver-pg': { file: 'hub/http/bad-pg.ts', source: "import 'pg';" },
  'driver-aedes': { file: 'hub/http/bad-aedes.ts', source: "import 'aedes';" },
  'driver-mqtt': { file: 'hub/http/bad-mqtt.ts', source: "import 'mqtt';" },
  'driver-prom-client': { file: 'hub/http/bad-prom-client.ts', source: "import 'prom-client';" },
  'driver-sentry': { file: 'hub/http/bad-sentry.ts', source: "import '@sentry/core';" },
  'bridge-reports-no-errors': {
    file: 'firmware-bridge/bad-report.ts',
    source: "import '#hub/platform/errors/error-report.ts';",
  },
  'driver-koffi': { file: 'hub/http/bad-koffi.ts', source: "import 'koffi';" },
  'driver-jose': { file: 'hub/http/bad-jose.ts', source: "import 'jose';" },
  'driver-serialport': { file: 'firmware-bridge/bad-serialport.ts', source: "import 'serialport';" },
  'driver-node-cron': { file: 'hub/http/bad-node-cron.ts', source: "import 'node-cron';" },
  'driver-onoff': { file: 'hub/http/bad-onoff.ts', source: "import 'onoff';" },
};

/** What stands higher than each floor and room, for the violation that is planted there. */
const floors = ['kernel', 'platform', 'store', 'http'];
for (const [index, floor] of floors.slice(1).entries()) {
  const above = floors[index + 2] ?? 'domains/access';
  violations[`hub-floor-${floor}`] = {
    file: `hub/${floor}/bad-floor.ts`,
    source: `import '#hub/${above}/target.ts';`,
  };
}
violations['hub-floor-domain'] = { file: 'hub/domain.ts', source: "import '#hub/domains/access/target.ts';" };
const domainFolders = domains.map(({ name }) => (name === 'sync' ? 'sync' : `domains/${name}`));
for (const [index, folder] of domainFolders.entries())
  violations[`domain-floor-${path.basename(folder)}`] = {
    file: `hub/${folder}/bad-floor.ts`,
    source: `import '#hub/${domainFolders[index + 1] ?? 'mqtt'}/target.ts';`,
  };
const accessRooms = [
  'schema',
  'decide',
  'controllers',
  'cards',
  'pins',
  'doors',
  'rules',
  'policy',
  'vault',
  'readers',
  'events',
  'alarms',
  'clones',
  'enrolment',
  'explain',
  'bridges',
];
for (const [index, room] of accessRooms.entries())
  violations[`access-room-${room}`] = {
    file: `hub/domains/access/${room === 'schema' ? 'schema.ts' : `${room}/bad-room.ts`}`,
    source: `import '#hub/domains/access/${accessRooms[index + 1] ?? 'open'}/target.ts';`,
  };

const bystanders: Record<string, string> = {
  ...Object.fromEntries(
    [
      ...floors,
      ...domainFolders,
      'mqtt',
      ...[...accessRooms, 'open'].map((room) => `domains/access/${room}`),
    ].map((folder) => [`hub/${folder}/target.ts`, 'export const value = 1;']),
  ),
  // The list that the floors of domains are read from.
  'hub/domains.ts': `const domains: readonly unknown[] = [${domains.map(({ name }) => name).join(', ')}];`,
  'hub/domains/places/good-floor.ts': "import '#hub/domains/members/schema.ts';",
  'hub/domains/members/schema.ts': 'export const value = 1;',
  'hub/store/cycle-b.ts': "import './cycle-a.ts';",
  'hub/platform/errors/error-report.ts': 'export const value = 1;',
  'hub/store/target.ts': 'export const value = 1;',
  'hub/domains/two/repository.ts': 'export const value = 1;',
  'hub/domains/two/schema.ts': 'export const value = 1;',
  'hub/domains/one/schema.ts':
    "import { value } from '#hub/domains/two/schema.ts';\nexport const copy = value;",
  'hub/ui/src/good.ts':
    "import type { value } from '#hub/domains/two/schema.ts';\nexport type Copy = typeof value;",
  ...Object.fromEntries(
    ['app', 'pages/one', 'pages/two', 'pages/access', 'pages/members', 'parts', 'state', 'live'].map(
      (folder) => [`hub/ui/src/${folder}/target.ts`, 'export const value = 1;'],
    ),
  ),
  'hub/ui/src/app/good.ts': "import '../pages/one/target.ts';\nimport '../live/target.ts';",
  'hub/ui/src/pages/one/good.ts': "import './target.ts';\nimport '../../parts/target.ts';",
  'hub/ui/src/pages/places/places.svelte.ts': 'export const value = 1;',
  'hub/ui/src/pages/access/good.ts': "import '../places/places.svelte.ts';",
  'hub/ui/src/parts/good.ts': "import './target.ts';\nimport '../state/target.ts';",
  'firmware-bridge/target.ts': 'export const value = 1;',
  ...Object.fromEntries(
    ['door', 'link', 'readers', 'readers/one', 'serial'].map((room) => [
      `firmware-bridge/${room}/target.ts`,
      'export const value = 1;',
    ]),
  ),
  // Each room on those that it may stand on.
  'firmware-bridge/door/good.ts': "import '#bridge/readers/target.ts';\nimport '#bridge/serial/target.ts';",
  'firmware-bridge/readers/kinds.ts': "import './one/target.ts';",
  'tests/target.ts': 'export const value = 1;',
};

describe('import rules', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'makrcave-imports-'));
    for (const name of [configFile, 'package.json', 'tsconfig.json'])
      await cp(path.join(root, name), path.join(folder, name));
    await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    const files = {
      ...bystanders,
      ...Object.fromEntries(Object.values(violations).map(({ file, source }) => [file, source])),
    };
    for (const [name, source] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), `${source}\nexport {};\n`);
    }
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('hold in this tree, and modules were read', async () => {
    const summary = await cruise(root);
    expect(summary.violations).toEqual([]);
    expect(summary.totalCruised).toBeGreaterThan(50);
  });

  it('each find the violation that is planted for them, and leave the bystanders alone', async () => {
    const summary = await cruise(folder);
    const found = new Map<string, string[]>();
    for (const { rule, from } of summary.violations)
      found.set(rule.name, [...(found.get(rule.name) ?? []), from]);
    for (const [rule, { file }] of Object.entries(violations)) expect(found.get(rule), rule).toContain(file);
    const guilty = new Set(Object.values(violations).map(({ file }) => file));
    const accused = summary.violations.map(({ from }) => from).filter((from) => !guilty.has(from));
    expect(accused.filter((from) => from !== 'hub/store/cycle-b.ts')).toEqual([]);
  });

  it('all have a planted violation', () => {
    expect(Object.keys(violations).sort()).toEqual(config.forbidden.map(({ name }) => name).sort());
  });
});
