import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sendToPanel } from '#bridge/gpio/panel-client.ts';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { openPolicyStore } from '#bridge/policy/store.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { createFactsReader } from '#hub/platform/clock/system-clock.ts';
import { readKey, readOrMakeKey } from '#hub/platform/files/keys.ts';
import { fullGrant, TestTime, waitUntil } from './fixtures.ts';
import { SimulatorProcess } from './gpio/simulation.ts';
import { cardNumber, makePolicy, testIdOf } from './policy/fixtures.ts';

const root = join(import.meta.dirname, '../..');
const strikeLine = 17;
/** Shared by the starts here: only the first compiles. */
const cache = mkdtempSync(join(tmpdir(), 'bridge-cache-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

let state = '';
let simulator: SimulatorProcess | null = null;
const children: ChildProcess[] = [];

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'bridge-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await simulator?.stop();
  simulator = null;
  rmSync(state, { recursive: true, force: true });
});

interface Bridge {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[];
}

/** The real process; resolves when it serves its doors. */
async function startBridge(env: Record<string, string> = {}): Promise<Bridge> {
  const config = join(root, 'config/bridge.example.yaml');
  const child = spawn(
    process.execPath,
    [join(root, 'firmware-bridge/main.ts'), '--config', config, '--state', state],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MAKRCAVE_BRIDGE_CLOCK_TRUST_SYSTEM: 'true', NODE_COMPILE_CACHE: cache, ...env },
    },
  );
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
  });
  await waitUntil(() => lines.some((line) => line['msg'] === 'doors are served'), 'the start', 20_000);
  return { child, lines };
}

async function savePolicy(): Promise<void> {
  mkdirSync(join(state, 'bridge'), { mode: 0o700 });
  const key = await readOrMakeKey(join(state, 'bridge/bridge.key'));
  await openPolicyStore(join(state, 'bridge'), key).save(
    makePolicy([{ number: 1 }], { settings: { onStalePolicy: 'grant' } }),
  );
}

async function journalNow(): Promise<{ events: BridgeEvent[]; journal: Journal }> {
  const journal = await Journal.open({
    disk: openJournalDisk(join(state, 'bridge/journal')),
    key: await readKey(join(state, 'bridge/bridge.key')),
    bootId: randomUUID(),
    maxBytes: 64 * 1024 * 1024,
    trustedNowMs: () => null,
    later: new TestTime().later,
  });
  const events = journal.readFrom(1, 10_000);
  return { events, journal };
}

async function tap(number: number): Promise<void> {
  const { hex, bits } = cardNumber(number);
  await sendToPanel(join(state, 'sim'), { tap: { bits: hexToBits(hex, bits).join(''), d0: 5, d1: 6 } });
}

const strikeLevel = (): number => readFileSync(join(state, 'sim/lines'))[strikeLine] ?? -1;

describe('the bridge as a process', () => {
  it('opens for a card without any hub, and has the tap in its journal over a kill', {
    timeout: 60_000,
  }, async () => {
    await savePolicy();
    simulator = await SimulatorProcess.start(join(state, 'sim'));
    const { child } = await startBridge();
    expect(strikeLevel()).toBe(0);
    await tap(1);
    await waitUntil(() => strikeLevel() === 1, 'the strike');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { events, journal } = await journalNow();
    await journal.close();
    expect(events.map((event) => event.kind)).toEqual(['boot', 'granted']);
    expect(events[1]).toMatchObject({ credentialId: testIdOf(1), portalKey: 'front' });
    const again = await startBridge();
    expect(strikeLevel()).toBe(0);
    await tap(9);
    again.child.kill('SIGTERM');
    const [code] = (await once(again.child, 'exit')) as [number | null];
    expect(code).toBe(0);
    const after = await journalNow();
    await after.journal.close();
    expect(after.events.map((event) => event.kind).slice(0, 3)).toEqual(['boot', 'granted', 'boot']);
  });

  it('locks and ends in order', { timeout: 60_000 }, async () => {
    await savePolicy();
    simulator = await SimulatorProcess.start(join(state, 'sim'));
    const { child, lines } = await startBridge();
    await tap(1);
    await waitUntil(() => strikeLevel() === 1, 'the strike');
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(strikeLevel()).toBe(0);
    expect(lines.at(-1)?.['msg']).toBe('stopped; every door is locked');
  });

  it('never goes back behind its journal when the clock was set back two weeks', {
    timeout: 60_000,
  }, async () => {
    await savePolicy();
    const aheadMs = Date.now() + 14 * 86_400_000;
    const { journal } = await journalNow();
    journal.append(fullGrant({ wallMs: aheadMs }));
    await journal.close();
    simulator = await SimulatorProcess.start(join(state, 'sim'));
    const { child } = await startBridge({ MAKRCAVE_BRIDGE_CLOCK_TRUST_SYSTEM: 'false' });
    await tap(1);
    await waitUntil(() => strikeLevel() === 1, 'the strike');
    child.kill('SIGTERM');
    await once(child, 'exit');
    const { events, journal: after } = await journalNow();
    await after.close();
    // Only a time server may say that what was written was wrong.
    if (createFactsReader()().synchronized) {
      expect(events[1]).toMatchObject({ kind: 'boot', clockTrust: 'ntp' });
      expect(events[1]?.wallMs).toBeLessThan(aheadMs);
    } else {
      expect(events[1]).toMatchObject({ kind: 'boot', clockTrust: 'restored' });
      for (const event of events) expect(event.wallMs).toBeGreaterThanOrEqual(aheadMs);
    }
  });

  it('ends with 78 and all mistakes of its configuration', { timeout: 60_000 }, async () => {
    const file = join(state, 'wrong.yaml');
    writeFileSync(file, 'portals:\n  - key: A\n    strike: { line: 99999, failMode: never }\n');
    const child = spawn(
      process.execPath,
      [join(root, 'firmware-bridge/main.ts'), '--config', file, '--state', state],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    children.push(child);
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(78);
    expect(said).toContain('4 problems');
    expect(said).toContain('portals[0].strike.failMode');
  });

  it('says which key is missing or exposed, and does not start', { timeout: 60_000 }, async () => {
    mkdirSync(join(state, 'bridge'), { mode: 0o700 });
    writeFileSync(join(state, 'bridge/bridge.key'), Buffer.alloc(32), { mode: 0o644 });
    const child = spawn(
      process.execPath,
      [
        join(root, 'firmware-bridge/main.ts'),
        '--config',
        join(root, 'config/bridge.example.yaml'),
        '--state',
        state,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    children.push(child);
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(1);
    expect(said).toContain('bridge.key');
  });
});
