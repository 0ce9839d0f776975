import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'mc-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hubConfig = `stateDirectory: ./state
http:
  port: eighty
  httpsPort: 70000
  bodyLimitBytes: 12
tls:
  names: [under_score, ok.example]
live:
  maxEvents: -1
  maxConnections: 1.5
  maxConnectionsPerSession: "many"
clock:
  trustSystem: perhaps
log:
  level: loud
`;
const hubPlaces = ['1:1', '3:9', '4:14', '5:19', '7:11', '9:14', '10:19', '11:29', '13:16', '15:10'];

const bridgeConfig = `gpio:
  port: usb
  chipLabel: ""
journal:
  maxMebibytes: 1
log:
  level: loud
portals:
  - key: Front Door
    name: ""
    readers:
      - key: front-reader
        wiring: { kind: wiegand, d0: 5, d1: 6 }
    strike: { line: 5000, failMode: never }
    contact: { line: 27, openLevel: 2 }
    rex: { line: -1 }
`;
const bridgePlaces = ['2:9', '3:14', '5:17', '7:10', '9:10', '10:11', '14:21', '14:37', '15:37', '16:18'];

const run = (args: readonly string[], env: Record<string, string>) =>
  spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } });

/** `file:line:column` of every line that names one. */
const placesIn = (text: string, file: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.includes(`${file}:`))
    .map((line) => line.slice(line.indexOf(`${file}:`) + file.length + 1).match(/^\d+:\d+/)?.[0] ?? '');

it('a hub with ten mistakes in its configuration names all ten with their places, ends with 78 and makes nothing', () => {
  const file = path.join(folder, 'hub.yaml');
  writeFileSync(file, hubConfig);
  const state = path.join(folder, 'state');
  const ended = run(['hub/main.ts'], { MAKRCAVE_CONFIG: file, MAKRCAVE_STATE_DIR: state });
  expect(ended.status).toBe(78);
  expect(placesIn(ended.stderr, file).sort()).toEqual([...hubPlaces].sort());
  expect(ended.stderr).not.toMatch(/\n\s+at /);
  expect(existsSync(state)).toBe(false);
});

it('so does a bridge', () => {
  const file = path.join(folder, 'bridge.yaml');
  writeFileSync(file, bridgeConfig);
  const state = path.join(folder, 'state');
  const ended = run(['firmware-bridge/main.ts', '--config', file, '--state', state], {
    NODE_COMPILE_CACHE: path.join(tmpdir(), 'makrcave-compile-cache'),
  });
  expect(ended.status).toBe(78);
  expect(placesIn(ended.stderr, file).sort()).toEqual([...bridgePlaces].sort());
  expect(ended.stderr).not.toMatch(/\n\s+at /);
  expect(existsSync(path.join(state, 'bridge'))).toBe(false);
});
