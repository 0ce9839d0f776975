import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect, parseEnv } from 'node:util';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { hubConfigSchema, loadHubConfig } from '#hub/load-hub-config.ts';
import { ConfigProblems, envName, loadConfig, readEnvText } from '#hub/platform/config/config.ts';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import { keysOfSchema } from '#hub/platform/config/schema-keys.ts';
import { Secret } from '#hub/platform/config/secret.ts';
import { editDistance, guessWord } from '#hub/platform/config/spelling.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mc-config-'));
});
afterEach(() => rm(folder, { recursive: true }));

const secretSchema = z.string().transform((text) => new Secret(text));
const schema = z.strictObject({
  name: z.string().min(1),
  http: z
    .strictObject({ port: z.number().int().max(65_535).default(80), tls: z.boolean().default(true) })
    .prefault({}),
  doors: z.array(z.strictObject({ key: z.string(), seconds: z.number().min(1) })).default([]),
  names: z.array(z.string()).default([]),
  token: secretSchema.optional(),
});
async function load(yaml: string, env: Record<string, string> = {}) {
  const file = path.join(folder, 'c.yaml');
  await writeFile(file, yaml);
  return loadConfig(schema, { file, env, envPrefix: 'MC_' });
}
/** The problems, with the folder cut off. */
async function problemsOf(yaml: string, env: Record<string, string> = {}) {
  const error = await load(yaml, env).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(ConfigProblems);
  if (!(error instanceof ConfigProblems)) throw error;
  expect(error.exitCode).toBe(78);
  return error.problems.map((problem) => problem.replace(`${folder}/`, ''));
}

describe('a configuration', () => {
  it('is the file, with the environment over it and defaults below, frozen throughout', async () => {
    const config = await load('name: hub\nhttp:\n  port: 1\ndoors: [{key: front, seconds: 5}]\n', {
      MC_HTTP_PORT: '8080',
      MC_NAMES: 'a.local, b.local,',
      MC_TOKEN: 's3cr3t',
      MC_HTTP_TLS: '',
      OTHER: 'x',
    });
    expect(config).toMatchObject({
      name: 'hub',
      http: { port: 8080, tls: true },
      doors: [{ key: 'front', seconds: 5 }],
      names: ['a.local', 'b.local'],
    });
    expect(config.token?.reveal()).toBe('s3cr3t');
    expect(Object.isFrozen(config) && Object.isFrozen(config.http) && Object.isFrozen(config.doors[0])).toBe(
      true,
    );
  });

  it('works without a file', () => {
    expect(loadConfig(schema, { env: { MC_NAME: 'x' }, envPrefix: 'MC_' }).http.port).toBe(80);
    expect(() => loadConfig(schema, { env: {}, envPrefix: 'MC_' })).toThrow('environment: name: is required');
  });

  it('reports ten mistakes at once, each with line and column', async () => {
    const yaml = [
      'name: ""',
      'htpp: {}',
      'http:',
      '  prot: 1',
      '  port: eighty',
      '  tls: yes',
      'doors:',
      '  - key: front',
      '  - key: back',
      '    secnds: 3',
      '    seconds: 0',
      'names: x',
      'zzzzzzzzzz: 1',
    ].join('\n');
    expect(await problemsOf(yaml)).toEqual([
      'c.yaml:1:7: name: Too small: expected string to have >=1 characters',
      'c.yaml:2:1: htpp: is not known here; did you mean http?',
      'c.yaml:4:3: http.prot: is not known here; did you mean port?',
      'c.yaml:5:9: http.port: Invalid input: expected number, received string',
      'c.yaml:6:8: http.tls: Invalid input: expected boolean, received string',
      'c.yaml:8:5: doors[0].seconds: is required',
      'c.yaml:10:5: doors[1].secnds: is not known here; did you mean seconds?',
      'c.yaml:11:14: doors[1].seconds: Too small: expected number to be >=1',
      'c.yaml:12:8: names: Invalid input: expected array, received string',
      'c.yaml:13:1: zzzzzzzzzz: is not known here (known: name, http, doors, names, token)',
    ]);
  });

  it('names the variable that a wrong value came from, and guesses a misspelt one', async () => {
    expect(
      await problemsOf('name: x\n', { MC_HTTP_PORT: '70000', MC_HTTP_TSL: 'true', MC_UNRELATED_THING: '1' }),
    ).toEqual([
      'MC_HTTP_PORT: http.port: Too big: expected number to be <=65535',
      'MC_HTTP_TSL: is not known here; did you mean MC_HTTP_TLS?',
    ]);
  });

  it('reports YAML that is none, with its place', async () => {
    expect(await problemsOf('name: "x\n')).toEqual([expect.stringMatching(/^c\.yaml:\d+:\d+: /)]);
    expect(await problemsOf('name: a\nname: b\n')).toEqual([expect.stringMatching(/^c\.yaml:2:1: /)]);
    expect(await problemsOf('- a\n- b\n')).toEqual([
      'c.yaml:1:1: Invalid input: expected object, received array',
    ]);
    expect(await problemsOf('name: !!binary x\nhttp: !odd {}\n')).not.toHaveLength(0);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]',
      'c: [*b,*b,*b,*b,*b,*b,*b,*b,*b]',
    ];
    expect(await problemsOf(bomb.join('\n'))).not.toHaveLength(0);
  });

  it('says so when the file is missing or no text', async () => {
    const file = path.join(folder, 'none.yaml');
    expect(() => loadConfig(schema, { file, env: {}, envPrefix: 'MC_' })).toThrow(
      `${file}:1:1: the file does not exist`,
    );
    await writeFile(file, Buffer.from([0xff, 0xfe, 0x80]));
    expect(() => loadConfig(schema, { file, env: {}, envPrefix: 'MC_' })).toThrow('cannot be read as UTF-8');
  });

  it('never lets a text through unread: it loads, or it throws ConfigProblems with a place for each', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme-ascii' }), async (noise) => {
        const outcome = await load(`name: x\n${noise}`).catch((error: unknown) => error);
        if (!(outcome instanceof Error)) return;
        expect(outcome).toBeInstanceOf(ConfigProblems);
        for (const problem of (outcome as ConfigProblems).problems)
          expect(problem).toMatch(/c\.yaml:\d+:\d+: ./);
      }),
      { numRuns: 200 },
    );
  });
});

describe('an environment variable', () => {
  it('is named after its path', () => {
    expect(envName('MAKRCAVE_', ['http', 'httpsPort'])).toBe('MAKRCAVE_HTTP_HTTPS_PORT');
    expect(keysOfSchema(schema).map((key) => key.path.join('.'))).toEqual([
      'name',
      'http.port',
      'http.tls',
      'doors',
      'names',
      'token',
    ]);
  });

  it('reads numbers, booleans and lists back from their text, and leaves the rest for the schema', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.boolean(),
        fc.array(fc.stringMatching(/^[a-z.]+$/)),
        (number, flag, list) => {
          expect(readEnvText(String(number), 'number')).toBe(number);
          expect(readEnvText(String(flag), 'boolean')).toBe(flag);
          expect(readEnvText(list.join(','), 'list')).toEqual(list);
        },
      ),
    );
    for (const text of ['', ' 1', '1e9', '0x10', 'NaN', '1,5'])
      expect(readEnvText(text, 'number')).toBe(text);
    for (const text of ['1', 'TRUE', 'yes']) expect(readEnvText(text, 'boolean')).toBe(text);
  });
});

describe('a secret', () => {
  it('cannot be printed', () => {
    const secret = new Secret('canary');
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ secret }, { depth: 9, showHidden: true }),
    ];
    for (const text of shown) {
      expect(text).toContain('[secret]');
      expect(text).not.toContain('canary');
    }
    expect(secret.reveal()).toBe('canary');
  });
});

describe('guessing a word', () => {
  it('counts edits like a distance', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (left, right) => {
        expect(editDistance(left, right)).toBe(editDistance(right, left));
        expect(editDistance(left, left)).toBe(0);
        expect(editDistance(left, right)).toBeLessThanOrEqual(Math.max(left.length, right.length));
      }),
    );
    expect(editDistance('port', 'prot')).toBe(1);
  });

  it('finds the near one and keeps silent about the far', () => {
    expect(guessWord('https_port', ['port', 'httpsPort'])).toBe('httpsPort');
    expect(guessWord('colour', ['port', 'httpsPort'])).toBeUndefined();
  });
});

describe('the examples in config/', () => {
  const defaults = hubConfigSchema.parse({});
  const keys = keysOfSchema(hubConfigSchema);
  // Tests run in the product's folder, where a relative folder of the state starts.
  const loaded = { ...defaults, stateDir: path.resolve(defaults.stateDir) };

  it('load, hold every key of the schema, and show its default', async () => {
    const file = 'config/hub.example.yaml';
    expect(loadHubConfig({ file, env: {} })).toEqual(loaded);
    const document = parseDocument(await readFile(file, 'utf8'));
    for (const key of keys) expect(document.hasIn(key.path), key.path.join('.')).toBe(true);
  });

  it('explain every key: no value stands without a comment above it', async () => {
    const lines = (await readFile('config/hub.example.yaml', 'utf8')).split('\n');
    const values = lines.flatMap((line, index) => (/^ *\w+: .+/.test(line) ? [index] : []));
    expect(values).toHaveLength(keys.length);
    for (const index of values)
      expect(lines.slice(Math.max(0, index - 2), index).join('\n'), lines[index]).toContain('#');
  });

  it('do the same as environment variables', async () => {
    const env = parseEnv(await readFile('config/.env.example', 'utf8')) as Record<string, string>;
    const ours = Object.keys(env).filter((name) => !name.startsWith('MAKRCAVE_BRIDGE_'));
    expect(ours.sort()).toEqual(keys.map((key) => envName('MAKRCAVE_', key.path)).sort());
    expect(loadHubConfig({ env })).toEqual(loaded);
  });

  it('put everything of the hub below one folder', () => {
    expect(hubPaths({ stateDir: '/var/lib/makrcave' })).toMatchObject({
      store: '/var/lib/makrcave/hub/hub.sqlite',
      controlSocket: '/var/lib/makrcave/hub/hub.sock',
      mqttSocket: '/var/lib/makrcave/hub/mqtt.sock',
    });
  });

  it('refuse what is no host name', () => {
    const loading = (names: string) => () => loadHubConfig({ env: { MAKRCAVE_TLS_NAMES: names } });
    expect(loading('hub.example,door-2.local')().tls.names).toEqual(['hub.example', 'door-2.local']);
    for (const name of ['10.0.0.1', 'a b', 'hub.local:8443', '-x', 'http://x'])
      expect(loading(name), name).toThrow('MAKRCAVE_TLS_NAMES: tls.names[0]: is no host name');
  });
});
