// Runs inside the test kernel (see bridge.test.ts): the bridge as the product starts it, on the kernel's own lines.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { until } from '#tests/_support/until.ts';
import { simPull, simValue } from './uml.ts';

const stateDir = process.env.UML_SHARE ?? '';
const dataLines = { d0: 5, d1: 6 };
const strike = 17;
const magnet = 18;
const contact = 27;
/** H10301: facility 123, number 4567, which is enrolled; and facility 1, number 1, which nobody has. */
const member = hexToBits('2f623ae', 26).join('');
const stranger = hexToBits('2020002', 26).join('');

let bridge: ChildProcess | null = null;
process.once('exit', () => bridge?.kill('SIGKILL'));

async function startBridge(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    ['firmware-bridge/main.ts', '--config', 'tests/system/kernel/bridge.yaml', '--state', stateDir],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      said.push(line);
      if (line.includes('doors are served')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the bridge ended (${code}):\n${said.join('\n')}`)));
  });
  assert.match(said.join('\n'), /"gpio":"cdev"/);
  return child;
}

async function stopBridge(): Promise<void> {
  assert.ok(bridge);
  const ended = once(bridge, 'exit');
  bridge.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  bridge = null;
}

function playBits(bits: string): void {
  for (const bit of bits) {
    const offset = bit === '1' ? dataLines.d1 : dataLines.d0;
    simPull(offset, 'pull-down');
    simPull(offset, 'pull-up');
  }
}

const silence = (): void => {
  const untilMs = performance.now() + 80;
  while (performance.now() < untilMs) simPull(contact, 'pull-down');
};

async function eventsAfter(seq: number): Promise<readonly BridgeEvent[]> {
  return (await readJournalFiles(stateDir)).filter((event) => event.seq > seq);
}
async function lastSeq(): Promise<number> {
  return (await readJournalFiles(stateDir)).at(-1)?.seq ?? 0;
}
const ofKind = (events: readonly BridgeEvent[], ...kinds: BridgeEvent['kind'][]): BridgeEvent[] =>
  events.filter(({ kind }) => kinds.includes(kind));

const isLocked = (): Promise<true> => until('the strike to lock', () => simValue(strike) === 0);

/** The first decisions behind `seq`. */
async function decisionsAfter(seq: number, count: number): Promise<readonly BridgeEvent[]> {
  return until('decisions', async () => {
    const found = ofKind(await eventsAfter(seq), 'granted', 'denied');
    return found.length >= count && found;
  });
}

async function tap(bits: string): Promise<BridgeEvent> {
  const before = await lastSeq();
  playBits(bits);
  const [decision] = await decisionsAfter(before, 1);
  assert.ok(decision);
  return decision;
}

await test('from its start on every lock is locked, whatever the lines were', async () => {
  for (const offset of Object.values(dataLines)) simPull(offset, 'pull-up');
  // A shut door closes its switch to ground. The locks' lines float the wrong way.
  simPull(contact, 'pull-down');
  simPull(strike, 'pull-up');
  simPull(magnet, 'pull-up');
  assert.deepEqual([simValue(strike), simValue(magnet)], [1, 1]);
  bridge = await startBridge();
  // The contact's own bias pulled it up when the line was requested: the door shuts.
  simPull(contact, 'pull-down');
  assert.deepEqual([simValue(strike), simValue(magnet)], [0, 0]);
});

await test('a member’s card opens the strike for its access time, and the grant is written down', async () => {
  const event = await tap(member);
  assert.equal(event.kind, 'granted');
  assert.equal(event.portalKey, 'front');
  await until('the strike to open', () => simValue(strike) === 1);
  const openedMs = performance.now();
  await isLocked();
  // Two seconds are set; the strike opened up to a poll before it was seen to.
  assert.ok(performance.now() - openedMs > 1900);
  const seq = event.seq;
  const followed = await until('"not entered"', async () => ofKind(await eventsAfter(seq), 'notEntered')[0]);
  assert.equal(followed.followsSeq, seq);
  assert.ok(followed.monotonicMs - event.monotonicMs >= 1990);
});

await test('an unknown card is denied and moves nothing', async () => {
  const levels = new Set<number>();
  const watch = setInterval(() => levels.add(simValue(strike)), 2);
  const event = await tap(stranger);
  clearInterval(watch);
  levels.add(simValue(strike));
  assert.equal(event.kind, 'denied');
  assert.equal(event.reason, 'unknownCredential');
  assert.deepEqual([...levels], [0]);
});

await test('a bridge that stands still loses no bit of the cards that come meanwhile', async () => {
  assert.ok(bridge);
  const before = await lastSeq();
  playBits(member.slice(0, 10));
  bridge.kill('SIGSTOP');
  const stoppedMs = performance.now();
  playBits(member.slice(10));
  silence();
  playBits(stranger);
  silence();
  const stoodMs = performance.now() - stoppedMs;
  bridge.kill('SIGCONT');
  const decisions = await decisionsAfter(before, 2);
  assert.deepEqual(
    decisions.map(({ kind, reason }) => [kind, reason]),
    [
      ['granted', undefined],
      ['denied', 'unknownCredential'],
    ],
  );
  assert.deepEqual(ofKind(await eventsAfter(before), 'readFault'), []);
  assert.ok(stoodMs > 500);
  await isLocked();
});

await test('SIGTERM locks a door that stands open to a grant, and the journal has it all', async () => {
  // What the line falls back to when nobody drives it is not what is asked here.
  simPull(strike, 'pull-down');
  const event = await tap(member);
  assert.equal(event.kind, 'granted');
  await until('the strike to open', () => simValue(strike) === 1);
  await stopBridge();
  assert.equal(simValue(strike), 0);
  const events = await readJournalFiles(stateDir);
  writeFileSync(path.join(stateDir, 'events.json'), JSON.stringify(events));
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_event, index) => index + 1),
  );
});
