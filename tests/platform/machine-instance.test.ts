import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readMachineInstance } from '#hub/platform/files/machine-instance.ts';

function makeFolder(files: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-instance-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  const at = (name: string): string => path.join(folder, name);
  return {
    kept: at('state/instance'),
    machine: { board: [at('serial')], system: [at('none'), at('machine-id')] },
  };
}
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;

it('is the same at every start, and another where the board is another one with the same disk', async () => {
  const pi = makeFolder({ serial: '10000000abcdef01\0', 'machine-id': 'aaaa\n' });
  const other = makeFolder({ serial: '10000000abcdef02\0', 'machine-id': 'aaaa\n' });
  const first = await readMachineInstance(pi.kept, pi.machine);
  expect(first).toMatch(uuid);
  expect(await readMachineInstance(other.kept, pi.machine)).toBe(first);
  expect(await readMachineInstance(other.kept, other.machine)).not.toBe(first);
});

it('is kept in the state where the machine says nothing of itself', async () => {
  const { kept, machine } = makeFolder();
  const first = await readMachineInstance(kept, machine);
  expect(first).toMatch(uuid);
  expect(await readMachineInstance(kept, machine)).toBe(first);
  const { kept: elsewhere } = makeFolder();
  expect(await readMachineInstance(elsewhere, machine)).not.toBe(first);
});
