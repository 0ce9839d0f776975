import { describe, expect, test } from 'vitest';
import { type ReaderState, readerStateSchema } from '#hub/domains/access/controllers/link-schema.ts';
import { readerIdSchema } from '#hub/domains/access/controllers/reader-id-schema.ts';
import { readerFindings } from '#hub/domains/access/readers/health-rules.ts';
import { switchOutputSchema } from '#hub/domains/access/readers/schema.ts';
import { listReaders } from '#hub/domains/access/readers/view.ts';
import { cancelPairing, pairReader, switchOutput, testReader } from '#hub/domains/access/readers/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { osdpState, wiegandState } from '#tests/_support/doors/reader-states.ts';
import { accepted, type Bench, firstPortal, openWithBridge, refused, staff } from './support.ts';

const key = 'front-in';
const orders = {
  'reader.pair': (bench: Bench, id: string) => pairReader(bench.access.parts, staff, id, 300),
  'reader.cancelPairing': (bench: Bench, id: string) => cancelPairing(bench.access.parts, staff, id),
  'reader.test': (bench: Bench, id: string) => testReader(bench.access.parts, staff, id),
  'reader.switchOutput': (bench: Bench, id: string) =>
    switchOutput(bench.access.parts, staff, id, { output: 2, seconds: 5 }),
} as const;
const audit = (bench: Bench) =>
  bench.store.read
    .selectFrom('audit_entry')
    .innerJoin('audit_payload', 'audit_payload.id', 'audit_entry.id')
    .select(['action', 'audit_entry.target_id', 'audit_payload.body'])
    .where('action', 'like', 'reader.%')
    .execute();

describe('the list of readers', () => {
  test('names door and controller of each, and what it does once its controller has said so', async () => {
    const { bench, bridge } = await openWithBridge();
    const portal = await firstPortal(bench);
    const place = {
      id: `${bridge.id}:${key}`,
      key,
      bridgeId: bridge.id,
      bridgeName: 'This box',
      portalId: portal.id,
      portalName: 'Front door',
    };
    expect(await listReaders(bench.access.parts)).toEqual([{ ...place, connected: true, live: null }]);
    const untilMs = bench.time.ms + 60_000;
    const lastReadMs = bench.time.ms;
    await bridge.state({
      readers: [osdpState(key, { pairingUntilMs: untilMs, lastReadMs, lastBits: 26 })],
    });
    const [reader] = await listReaders(bench.access.parts);
    expect(reader).toMatchObject({
      ...place,
      live: {
        kind: 'osdp',
        channel: 'ownKey',
        pairingUntil: '2026-11-22T12:01:00.000Z',
        lastReadAt: '2026-11-22T12:00:00.000Z',
        lastBits: 26,
        lastKeysAt: null,
      },
    });
    bridge.disconnect();
    expect(await listReaders(bench.access.parts)).toEqual([{ ...place, connected: false, live: null }]);
  });

  test('has ids that the addresses of their orders take', () => {
    expect(readerIdSchema.safeParse(`${newId()}:front-in`).success).toBe(true);
    for (const wrong of [`${newId()}:`, newId(), `${newId()}:Front`, 'x:front-in', `${newId()}:a:b`])
      expect(readerIdSchema.safeParse(wrong).success).toBe(false);
  });
});

describe('orders to a reader', () => {
  test.each([
    [
      'reader.pair',
      { kind: 'pairReader', seconds: 300 },
      'For 5 minutes front-in may get a key of its own: put the reader into install mode.',
    ],
    [
      'reader.cancelPairing',
      { kind: 'cancelPairing' },
      'front-in gets no new key any more; a key that it has got stays.',
    ],
    [
      'reader.test',
      { kind: 'testReader' },
      'front-in shows its lamp and sounds its buzzer as after a grant; the door stays as it is.',
    ],
    [
      'reader.switchOutput',
      { kind: 'switchOutput', output: 2, seconds: 5 },
      'Output 2 of front-in is switched on for 5 s and then goes back by itself.',
    ],
  ] as const)(
    '%s is in the audit log before it is sent, and says what happens now',
    async (action, sent, sentence) => {
      const { bench, bridge } = await openWithBridge();
      const portal = await firstPortal(bench);
      let loggedBefore = 0;
      bridge.answer((command) => {
        expect(command).toMatchObject({ ...sent, readerKey: key, expiresAtMs: bench.time.ms + 2_000 });
        return { kind: 'done' };
      });
      const { onSend } = bench.link;
      bench.link.onSend = (command) => {
        void audit(bench).then((rows) => {
          loggedBefore = rows.length;
          onSend(command);
        });
      };
      const answer = accepted(await orders[action](bench, `${bridge.id}:${key}`));
      expect(answer.sentence).toBe(sentence);
      expect(loggedBefore).toBe(1);
      const [entry] = await audit(bench);
      expect(entry).toMatchObject({ action, target_id: portal.id });
      expect(JSON.parse(entry?.body ?? '{}')).toMatchObject({
        commandId: answer.commandId,
        readerKey: key,
        ...(action === 'reader.pair' ? { seconds: 300 } : {}),
        ...(action === 'reader.switchOutput' ? { output: 2, seconds: 5 } : {}),
      });
    },
  );

  test.each([
    [60, 'one minute'],
    [90, '90 seconds'],
    [900, '15 minutes'],
  ])('the time is said as people say it: %i s', async (seconds, words) => {
    const { bench, bridge } = await openWithBridge();
    bridge.answer(() => ({ kind: 'done' }));
    const answer = accepted(await pairReader(bench.access.parts, staff, `${bridge.id}:${key}`, seconds));
    expect(answer.sentence).toContain(`For ${words} front-in`);
  });

  test.each([
    ['notPairable', 'notPairable'],
    ['readerOffline', 'readerOffline'],
    ['unknownReader', 'bridgeRefused'],
    ['expired', 'bridgeRefused'],
  ])('a controller that says %s', async (code, refusal) => {
    const { bench, bridge } = await openWithBridge();
    bridge.answer(() => ({ kind: 'refused', code }));
    expect(refused(await orders['reader.pair'](bench, `${bridge.id}:${key}`)).code).toBe(refusal);
  });

  test.each([
    [[], 'front-in has no output'],
    [[true], 'front-in has one output only'],
    [[true, false, false], 'front-in has 3 outputs only'],
  ])('an output that the reader has not is refused with how many it has: %j', async (outputs, title) => {
    const { bench, bridge } = await openWithBridge();
    await bridge.state({ readers: [osdpState(key, { outputs })] });
    bridge.answer(() => ({ kind: 'refused', code: 'noOutput' }));
    const refusal = refused(await orders['reader.switchOutput'](bench, `${bridge.id}:${key}`));
    expect(refusal).toEqual({ code: 'noOutput', title });
  });

  test.each([
    [{ output: 1, seconds: 1 }, true],
    [{ output: 64, seconds: 60 }, true],
    [{ output: 0, seconds: 1 }, false],
    [{ output: 65, seconds: 1 }, false],
    [{ output: 1, seconds: 0 }, false],
    [{ output: 1, seconds: 61 }, false],
    [{ output: 1 }, false],
  ])('an output is counted from one and switched for a minute at most: %j', (body, isTaken) => {
    expect(switchOutputSchema.safeParse(body).success).toBe(isTaken);
  });

  test('an unknown reader and one that is not connected are refused before anything is sent or written', async () => {
    const { bench, bridge } = await openWithBridge();
    for (const order of Object.values(orders)) {
      expect(refused(await order(bench, `${newId()}:${key}`)).code).toBe('readerNotFound');
      expect(refused(await order(bench, `${bridge.id}:other`)).code).toBe('readerNotFound');
    }
    bridge.disconnect();
    for (const order of Object.values(orders))
      expect(refused(await order(bench, `${bridge.id}:${key}`)).code).toBe('notConnected');
    expect(bench.link.take('command')).toEqual([]);
    expect(await audit(bench)).toEqual([]);
  });

  test('without an answer nobody is told that it was done', async () => {
    const { bench, bridge } = await openWithBridge();
    const testing = orders['reader.test'](bench, `${bridge.id}:${key}`);
    await expect.poll(() => bench.link.sent.some((sent) => sent.name === 'command')).toBe(true);
    bench.time.advance(2_000);
    expect(refused(await testing).code).toBe('noAnswer');
  });
});

describe('what is announced of a reader', () => {
  async function listen() {
    const { bench, bridge } = await openWithBridge();
    bench.time.advance(1_000);
    bench.announced.length = 0;
    const told = () =>
      bench.announced.filter(({ topic }) => topic === 'reader.state').map(({ data }) => data);
    return { bench, bridge, told };
  }

  test('a change is told of within 250 ms, what did not change is not', async () => {
    const { bench, bridge, told } = await listen();
    const portal = await firstPortal(bench);
    await bridge.state({ readers: [osdpState(key, { link: 'connecting', channel: 'none' })] });
    await bridge.state({ readers: [osdpState(key)] });
    expect(told()).toEqual([]);
    bench.time.advance(250);
    expect(told()).toMatchObject([
      {
        readerId: `${bridge.id}:${key}`,
        key,
        portalId: portal.id,
        connected: true,
        live: { link: 'online' },
      },
    ]);
    await bridge.state({ readers: [osdpState(key)] });
    bench.time.advance(5_000);
    expect(told()).toHaveLength(1);
  });

  test('a level of an input is told of as a state is, and an older controller that says nothing of it has none', async () => {
    const { bench, bridge, told } = await listen();
    await bridge.state({ readers: [osdpState(key, { inputs: [false, false], outputs: [false] })] });
    bench.time.advance(250);
    await bridge.state({
      readers: [osdpState(key, { inputs: [false, true], outputs: [false], goodFrames: 1 })],
    });
    bench.time.advance(250);
    expect(told().map(({ live }) => live)).toMatchObject([
      { inputs: [false, false], outputs: [false] },
      { inputs: [false, true], outputs: [false] },
    ]);
    const { inputs: _, outputs: __, ...older } = osdpState(key);
    expect(readerStateSchema.parse(older)).toMatchObject({ inputs: [], outputs: [] });
  });

  test('counters are told of once a second, a state that changes meanwhile at once', async () => {
    const { bench, bridge, told } = await listen();
    await bridge.state({ readers: [osdpState(key, { goodFrames: 0 })] });
    bench.time.advance(250);
    for (let tenth = 1; tenth <= 50; tenth += 1) {
      await bridge.state({ readers: [osdpState(key, { goodFrames: tenth })] });
      bench.time.advance(100);
    }
    const counted = told().length;
    expect(counted).toBeGreaterThanOrEqual(5);
    expect(counted).toBeLessThanOrEqual(7);
    await bridge.state({ readers: [osdpState(key, { goodFrames: 51, tamper: true })] });
    bench.time.advance(250);
    expect(told().at(-1)?.live).toMatchObject({ tamper: true, goodFrames: 51 });
    await bridge.state({ readers: [osdpState(key, { goodFrames: 52, tamper: true })] });
    bench.time.advance(1_250);
    expect(told().at(-1)?.live).toMatchObject({ goodFrames: 52 });
  });

  test('when its controller goes, it is said of the reader too, and again when it is back', async () => {
    const { bench, bridge, told } = await listen();
    await bridge.state({ readers: [wiegandState(key)] });
    bench.time.advance(250);
    bridge.disconnect();
    expect(told().at(-1)).toMatchObject({ readerId: `${bridge.id}:${key}`, connected: false, live: null });
    await bridge.connect();
    await bridge.state({ readers: [wiegandState(key)] });
    bench.time.advance(250);
    expect(told().at(-1)).toMatchObject({ connected: true, live: { link: 'online' } });
    expect(told()).toHaveLength(3);
  });
});

describe('findings of readers', () => {
  const find = (reader: ReaderState) => readerFindings(reader, { id: 'box', name: 'This box' });

  test.each([
    ['well', osdpState(key), []],
    ['a reader that reports nothing of itself', wiegandState(key), []],
    ['opened', osdpState(key, { tamper: true }), ['error reader.tamper:box:front-in']],
    ['a poor supply', osdpState(key, { powerFault: true }), ['warning reader.power:box:front-in']],
    [
      'the key that everybody knows',
      osdpState(key, { channel: 'installKey' }),
      ['error reader.installKey:box:front-in'],
    ],
    ['that key while it is paired', osdpState(key, { channel: 'installKey', pairingUntilMs: 1 }), []],
    ['in the open', osdpState(key, { channel: 'none' }), ['info reader.plain:box:front-in']],
    ['in the open but not reached', osdpState(key, { channel: 'none', link: 'offline' }), []],
  ])('%s', (_what, reader, expected) => {
    expect(find(reader).map(({ id, severity }) => `${severity} ${id}`)).toEqual(expected);
  });

  test('are among those of the hub; that one cannot be reached is said once, by its controller', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.state({
      readers: [osdpState(key, { link: 'offline', problem: 'It does not answer.', powerFault: true })],
      findings: [
        { id: `reader.offline.${key}`, severity: 'error', evidence: 'It does not answer.', fix: 'Look.' },
      ],
    });
    const findings = (await bench.access.health.findings?.()) ?? [];
    expect(findings.map(({ id }) => id)).toEqual([
      `reader.power:${bridge.id}:${key}`,
      `bridge.reader.offline.${key}:${bridge.id}`,
    ]);
  });

  test.each([
    ['wiegand', /read 20 of 80 cards wrong .*7 bits lost/, /D0 and D1/],
    ['osdp', /20 of 80 messages .*9 with a wrong check sum, 3 time-outs/, /120 ohm/],
    ['rdm6300', /20 of 80 messages/, /level shifter/],
    ['pn532', /20 of 80 messages/, /HSU/],
    ['wedge', /20 of 80 messages/, /speed/],
  ] as const)('noise at a reader of kind %s is told in its own words', (kind, evidence, fix) => {
    const counters = { goodFrames: 60, faultyFrames: 20, parityFaults: 9, lostBits: 7, timeouts: 3 };
    const [finding] = find(wiegandState(key, { kind, ...counters }));
    expect(finding?.id).toBe('reader.noisy:box:front-in');
    expect(finding?.evidence).toMatch(evidence);
    expect(finding?.fix).toMatch(fix);
    if (kind !== 'wiegand') expect(finding?.fix).not.toMatch(/D0/);
  });
});
