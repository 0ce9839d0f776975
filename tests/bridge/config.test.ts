import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type BridgeConfig, bridgeConfigSchema } from '#bridge/config.ts';
import { lineRequests } from '#bridge/door/line-requests.ts';
import { ConfigProblems, loadConfig } from '#hub/platform/config/config.ts';

const example = join(import.meta.dirname, '../../config/bridge.example.yaml');
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function load(file: string, env: Record<string, string> = {}): BridgeConfig {
  return loadConfig(bridgeConfigSchema, { file, env, envPrefix: 'MAKRCAVE_BRIDGE_' });
}

function problemsOf(text: string): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'config-'));
  folders.push(folder);
  const file = join(folder, 'bridge.yaml');
  writeFileSync(file, text);
  try {
    load(file);
  } catch (error) {
    if (error instanceof ConfigProblems)
      return error.problems.map((problem) => problem.replace(`${folder}/`, ''));
    throw error;
  }
  return [];
}

describe('the configuration of a bridge', () => {
  it('is there as an example that works', () => {
    const config = load(example);
    expect(config.portals.map((portal) => portal.key)).toEqual(['front']);
    expect(config.portals[0]?.readers.map((reader) => reader.key)).toEqual(['front-reader']);
    expect(config.gpio.allowSimulation).toBe(true);
  });

  it('needs no more than the wiring: the example names the defaults of everything else', () => {
    const config = load(example);
    const bare = bridgeConfigSchema.parse({
      gpio: { allowSimulation: true },
      portals: [
        {
          key: 'front',
          name: 'Front door',
          readers: [
            {
              key: 'front-reader',
              wiring: { kind: 'wiegand', d0: 5, d1: 6 },
              led: { line: 22, activeLow: true },
              buzzer: { line: 23, activeLow: true },
            },
          ],
          strike: { line: 17, failMode: 'secure' },
          contact: { line: 27 },
          rex: { line: 24 },
        },
      ],
    });
    expect(config).toEqual(bare);
  });

  it('takes the environment over the file', () => {
    expect(load(example, { MAKRCAVE_BRIDGE_GPIO_PORT: 'fake' }).gpio.port).toBe('fake');
  });

  it('explains every key of the example in the line above it', () => {
    const lines = readFileSync(example, 'utf8').split('\n');
    const commented = lines.filter((line) => line.trimStart().startsWith('#')).length;
    expect(commented).toBeGreaterThan(30);
  });

  it('names two uses of one line, and two things with one key', () => {
    const problems = problemsOf(`portals:
  - key: front
    name: Front
    readers:
      - { key: reader, wiring: { kind: wiegand, d0: 5, d1: 6 } }
    strike: { line: 6, failMode: secure }
    contact: { line: 27 }
    rex: { line: 27 }
  - key: front
    name: Back
    readers:
      - { key: reader, wiring: { kind: wiegand, d0: 8, d1: 9 } }
    strike: { line: 10, failMode: safe }
`);
    expect(problems).toHaveLength(4);
    const text = problems.join('\n');
    expect(text).toContain('line 27 is contact of "front" already; rex of "front" needs one of its own');
    expect(text).toContain('line 6 is strike of "front" already; d1 of "reader" needs one of its own');
    expect(text).toContain('there are two portals "front"');
    expect(text).toContain('there are two readers "reader"');
    for (const problem of problems) expect(problem).toMatch(/^bridge\.yaml:\d+:\d+: /);
  });

  it('says all that is wrong at once, each with its place', () => {
    const problems = problemsOf(`gpio: { port: usb }
journal: { maxMebibytes: 0 }
logg: { level: info }
portals:
  - key: Front Door
    name: ""
    readers:
      - { key: reader, wiring: { kind: wiegand, d0: -1, d1: 6, fixedBits: 3 } }
    strike: { line: 17, failMode: sometimes }
    contact: { line: 27, openLevel: 2 }
    rex: { line: 24, debounceMs: fast }
`);
    expect(problems.length).toBeGreaterThanOrEqual(10);
    const text = problems.join('\n');
    for (const path of [
      'gpio.port',
      'maxMebibytes',
      'logg',
      'key',
      'name',
      'd0',
      'fixedBits',
      'failMode',
      'openLevel',
    ])
      expect(text).toContain(path);
  });

  it('lets OSDP readers of one speed share a port, and nobody else', () => {
    const readers = (...wirings: readonly string[]): string =>
      `portals:
  - key: front
    name: Front
    readers:
${wirings.map((wiring, index) => `      - { key: r${index}, wiring: { ${wiring} } }`).join('\n')}
    strike: { line: 6, failMode: secure }
`;
    const osdp = 'kind: osdp, port: /dev/ttyAMA0';
    expect(problemsOf(readers(`${osdp}, address: 0`, `${osdp}, address: 1`))).toEqual([]);
    expect(problemsOf(readers(`${osdp}, address: 0`, `${osdp}, address: 0`)).join()).toMatch(
      /^bridge\.yaml:6:\d+: .*address.* is the address of "r0" on the same bus/,
    );
    expect(
      problemsOf(readers(`${osdp}, address: 0`, `${osdp}, address: 1, baudRate: 38400`)).join(),
    ).toContain('must be as of "r0" on the same bus');
    const module = 'kind: rdm6300, port: /dev/ttyAMA0';
    for (const other of [module, 'kind: wedge, reads: em10, port: /dev/ttyAMA0', `${osdp}, address: 0`])
      expect(problemsOf(readers(module, other)).join()).toContain('/dev/ttyAMA0 is the port of "r0" already');
    expect(problemsOf(readers('kind: pn532, port: /dev/ttyUSB0')).join()).toContain('/dev/serial/by-id/');
  });

  it('needs the authority of a hub elsewhere', () => {
    const text =
      'hub: { url: "mqtts://hub.local:8883" }\nportals: [{ key: a, name: A, strike: { line: 1, failMode: secure } }]\n';
    expect(problemsOf(text).join()).toContain('hub.caFile');
    expect(problemsOf(text.replace('mqtts', 'mqtt')).join()).toContain('mqtts://hub.local:8883');
  });
});

describe('the lines of a configuration', () => {
  it('lock every door from the moment in which they are requested', () => {
    const door = (key: string, line: number, failMode: string) => ({
      key,
      name: key,
      strike: { line, failMode },
    });
    const config = bridgeConfigSchema.parse({ portals: [door('a', 1, 'secure'), door('b', 2, 'safe')] });
    expect(lineRequests(config).outputs).toEqual([
      { offset: 1, activeLow: false, safeLevel: 0 },
      { offset: 2, activeLow: false, safeLevel: 1 },
    ]);
  });

  it('ask for falling edges of data lines, without debounce, and both edges of the others', () => {
    const { data, inputs } = lineRequests(load(example));
    expect(data.map((line) => [line.offset, line.edges, line.debounceMicros])).toEqual([
      [5, 'falling', 0],
      [6, 'falling', 0],
    ]);
    expect(inputs.map((line) => [line.offset, line.edges, line.debounceMicros])).toEqual([
      [27, 'both', 20_000],
      [24, 'both', 20_000],
    ]);
  });
});
