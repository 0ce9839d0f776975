import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { cardBits, setDoor, simulatedLevel, untilLevel } from '#tests/_support/doors/doors.ts';
import { BusProcess } from '#tests/_support/osdp/bus-process-client.ts';
import { until } from '#tests/_support/until.ts';

// The whole product with readers on real pseudo terminals: two OSDP readers on one bus, and a 125 kHz module by itself.

const patienceMs = 30_000;
const strike = { front: 17, back: 18, side: 19 } as const;

/** A fob as three readers see it: 40 bits at 125 kHz, its lower 24 on 26 bits. */
const fob = { em40: 'em40:010bc4d5e7', w26: '196:54759', wire: '010BC4D5E7' } as const;

const config = (bus: string, uart: string): string => `
gpio: { port: fake }
clock: { trustSystem: true }
portals:
  - key: front
    name: Front door
    readers:
      - { key: front-reader, wiring: { kind: osdp, port: ${bus}, baudRate: 115200, address: 0 } }
    strike: { line: ${strike.front}, failMode: secure }
  - key: back
    name: Back door
    readers:
      - { key: back-reader, wiring: { kind: osdp, port: ${bus}, baudRate: 115200, address: 1 } }
    strike: { line: ${strike.back}, failMode: secure }
  - key: side
    name: Side door
    readers:
      - { key: side-reader, wiring: { kind: rdm6300, port: ${uart} } }
    strike: { line: ${strike.side}, failMode: secure }
`;

interface ReaderItem {
  readonly id: string;
  readonly key: string;
  readonly live: null | Record<string, unknown>;
}

/** A frame of the module: the number in hex and its exclusive or. */
function rdm6300Frame(hex: string): Buffer {
  const check = Buffer.from(hex, 'hex').reduce((sum, byte) => sum ^ byte, 0);
  return Buffer.from(`\u0002${hex}${check.toString(16).toUpperCase().padStart(2, '0')}\u0003`, 'latin1');
}

describe('doors whose readers hang on serial lines', () => {
  let appliance: Appliance;
  let bus: BusProcess;
  let socat: ChildProcess;
  let module: string;

  beforeAll(async () => {
    const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 0 }, { address: 1 }] });
    module = path.join(stateDir, 'module');
    const uart = path.join(stateDir, 'uart');
    socat = spawn('socat', [`pty,raw,echo=0,link=${uart}`, `pty,raw,echo=0,link=${module}`]);
    await until('the cable', () => existsSync(uart) && existsSync(module));
    const bridgeConfig = path.join(stateDir, 'bridge.yaml');
    await writeFile(bridgeConfig, config(bus.link, uart));
    appliance = await Appliance.start({ stateDir, bridgeConfig });
    await appliance.furnish(fob.em40);
  }, 60_000);
  afterAll(async () => {
    await appliance.close();
    await bus.stop();
    const ended = once(socat, 'exit');
    socat.kill();
    await ended;
  });

  const readers = async (): Promise<readonly ReaderItem[]> =>
    (await appliance.ask('GET', '/api/access-control/readers')).items as ReaderItem[];
  const reader = async (key: string): Promise<ReaderItem> =>
    (await readers()).find((item) => item.key === key)!;
  const untilReader = (key: string, wanted: Record<string, unknown>): Promise<unknown> =>
    until(
      `${key}: ${JSON.stringify(wanted)}`,
      async () => {
        const { live } = await reader(key);
        return Object.entries(wanted).every(([name, value]) => live?.[name] === value);
      },
      patienceMs,
    );
  const events = async (kind: string): Promise<readonly Record<string, unknown>[]> =>
    (await appliance.ask('GET', `/api/access-control/events?kind=${kind}`)).items as Record<
      string,
      unknown
    >[];
  const tapAt = (address: number, card: string): Promise<unknown> =>
    bus.order({ card: { address, bits: cardBits(card), format: 1 } });
  const findings = async (): Promise<readonly { id: string }[]> =>
    (await appliance.ask('GET', '/health/detailed')).findings as { id: string }[];

  it('opens for nobody before a reader on a bus has a key of its own, and says so', async () => {
    await untilReader('front-reader', { link: 'connecting', channel: 'none' });
    expect((await reader('front-reader')).live?.['problem']).toMatch(/pairing/);
    await until(
      'the finding',
      async () => (await findings()).some(({ id }) => id.includes('reader.offline.front-reader')),
      patienceMs,
    );
    await tapAt(0, fob.w26);
    await until('it is asked for', () => bus.lines.length > 0);
    expect(simulatedLevel(appliance, strike.front)).toBe(0);
    expect(await events('granted')).toEqual([]);
  });

  it('pairs, and opens for a fob that was enrolled at another kind of reader', async () => {
    for (const key of ['front-reader', 'back-reader']) {
      const { id } = await reader(key);
      await appliance.ask('POST', `/api/access-control/readers/${id}/pair`, { seconds: 300 });
      await untilReader(key, { link: 'online', channel: 'ownKey', pairingUntil: null });
    }
    expect(await events('readerPaired')).toHaveLength(2);
    await tapAt(0, fob.w26);
    await untilLevel(appliance, strike.front, 1);
    await until('the event', async () => (await events('granted')).length >= 1, patienceMs);
    expect(simulatedLevel(appliance, strike.back)).toBe(0);
    await bus.line('led', (line) => JSON.stringify(line).includes('temporary'));
    const audit = await appliance.ask('GET', '/api/access-control/audit-logs?action=reader.pair');
    expect(audit.items).toHaveLength(2);
  });

  it('opens at the module, and keeps a stranger out', async () => {
    await untilReader('side-reader', { link: 'online', channel: null });
    appendFileSync(module, rdm6300Frame(fob.wire));
    await untilLevel(appliance, strike.side, 1);
    const before = (await events('denied')).length;
    appendFileSync(module, rdm6300Frame('0100000001'));
    await until('the refusal', async () => (await events('denied')).length > before, patienceMs);
    expect((await events('denied'))[0]).toMatchObject({ reason: 'unknownCredential' });
  });

  it('enrols a card by tapping it at a reader on the bus; the door stays shut', async () => {
    const { items } = await appliance.ask('GET', '/api/members');
    const [member] = items as { id: string }[];
    const { id: readerId } = await reader('back-reader');
    const begun = await appliance.ask('POST', '/api/access-control/enrolments', {
      memberId: member?.id,
      readerId,
      label: 'Second fob',
    });
    await tapAt(1, '77:777');
    const ended = await until('the card', async () => {
      const enrolment = await appliance.ask('GET', `/api/access-control/enrolments/${begun.id as string}`);
      return enrolment.state === 'waiting' ? undefined : enrolment;
    });
    expect(ended).toMatchObject({ state: 'enrolled' });
    expect(simulatedLevel(appliance, strike.back)).toBe(0);
  });

  it('learns by one more tap how another reader sees a fob, and opens for it there too', async () => {
    const { items } = await appliance.ask('GET', '/api/access-control/credentials');
    const [first] = items as { id: string; memberId: string }[];
    const { id: readerId } = await reader('back-reader');
    // A serial number of 56 bits: nothing of the fob's other numbers follows from it.
    const serial = '00000100101000011011001011000011110101001110010111110110';
    const begun = await appliance.ask('POST', '/api/access-control/enrolments', {
      memberId: first?.memberId,
      readerId,
      addsToCredentialId: first?.id,
    });
    const enrolment = () => appliance.ask('GET', `/api/access-control/enrolments/${begun.id as string}`);
    await bus.order({ card: { address: 1, bits: serial, format: 0 } });
    // Nothing vouches for 56 bits: a reader may have lost one.
    await until('the second tap that is asked for', async () =>
      String((await enrolment()).message).startsWith('Tap the same card once more'),
    );
    await bus.order({ card: { address: 1, bits: serial, format: 0 } });
    await until('the reading', async () => (await enrolment()).state === 'enrolled');
    await appliance.untilApplied();
    await bus.order({ card: { address: 1, bits: serial, format: 0 } });
    await untilLevel(appliance, strike.back, 1);
  });

  it('reports a reader that lost its power within ten seconds, with the fix, and that it is back', async () => {
    await bus.order({ power: { address: 1, to: 'off' } });
    await untilReader('back-reader', { link: 'offline' });
    await until('the event', async () => (await events('readerOffline')).length > 0, patienceMs);
    expect((await reader('back-reader')).live?.['problem']).toMatch(/power/);
    await tapAt(0, fob.w26);
    await untilLevel(appliance, strike.front, 1);
    await bus.order({ power: { address: 1, to: 'on' } });
    await untilReader('back-reader', { link: 'online', channel: 'ownKey' });
    await until('the event', async () => (await events('readerOnline')).length > 0, patienceMs);
  });

  it('asks at a keypad on the bus for the PIN of a card: keys alone, together, and cancelled', async () => {
    const { items } = await appliance.ask('GET', '/api/members');
    const [member] = items as { id: string }[];
    await appliance.ask('PUT', `/api/access-control/pins/${member?.id}`, { pin: '4711' });
    await setDoor(appliance, 'front', { identification: 'cardAndPin', accessTimeSeconds: 1 });
    await untilLevel(appliance, strike.front, 0);
    const press = (keys: string, perReply?: number): Promise<unknown> =>
      bus.order({ keys: { address: 0, keys, ...(perReply === undefined ? {} : { perReply }) } });
    const denials = async (): Promise<number> => (await events('denied')).length;
    const denied = await denials();
    for (const [keys, perReply] of [
      ['4711#', 1],
      ['4711#', 5],
    ] as const) {
      const from = bus.lines.length;
      await tapAt(0, fob.w26);
      // It asks before anybody types: amber, for as long as it waits.
      await bus.line('led', (line) => JSON.stringify(line).includes('temporary'), from);
      await press(keys, perReply);
      await untilLevel(appliance, strike.front, 1);
      await untilLevel(appliance, strike.front, 0);
    }
    const from = bus.lines.length;
    await tapAt(0, fob.w26);
    await bus.line('led', (line) => JSON.stringify(line).includes('temporary'), from);
    await press('47*');
    await until('the refusal', async () => (await denials()) > denied, patienceMs);
    expect((await events('denied'))[0]).toMatchObject({ reason: 'pinRequired', reader: 'front-reader' });
    await setDoor(appliance, 'front', { identification: 'card' });
  });

  it('tries lamp and buzzer on demand', async () => {
    const { id } = await reader('front-reader');
    const from = bus.lines.length;
    await appliance.ask('POST', `/api/access-control/readers/${id}/test`, {});
    await bus.line('buzzer', () => true, from);
  });

  it('shows inputs and outputs of a reader, and switches an output that goes back by itself', async () => {
    const levels = (inputs: boolean[], outputs: boolean[]) =>
      until(
        'the levels',
        async () => {
          const { live } = await reader('front-reader');
          return JSON.stringify([live?.['inputs'], live?.['outputs']]) === JSON.stringify([inputs, outputs]);
        },
        patienceMs,
      );
    await levels([false, false], [false, false]);
    await bus.order({ input: { address: 0, index: 1, on: true } });
    await levels([false, true], [false, false]);
    const { id } = await reader('front-reader');
    await appliance.ask('POST', `/api/access-control/readers/${id}/switch-output`, { output: 2, seconds: 2 });
    await levels([false, true], [false, true]);
    await levels([false, true], [false, false]);
    const audit = await appliance.ask('GET', '/api/access-control/audit-logs?action=reader.switchOutput');
    expect(audit.items).toHaveLength(1);
  });
});
