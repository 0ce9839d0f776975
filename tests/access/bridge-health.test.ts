import { describe, expect, test } from 'vitest';
import { createBridge } from '#hub/domains/access/bridges/workflow.ts';
import { wiegandState } from '#tests/_support/doors/reader-states.ts';
import { openBench, openWithBridge, staff } from './support.ts';

const minuteMs = 60_000;
type Access = Awaited<ReturnType<typeof openBench>>['access'];
const brief = async ({ health }: Access): Promise<string[]> =>
  ((await health.findings?.()) ?? []).map(({ id, severity }) => `${severity} ${id}`);

describe('door controllers', () => {
  test('one that is connected and applied is well', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.state();
    expect(await brief(bench.access)).toEqual([]);
  });

  test('one that went away is found after a minute, is grave after a day, and cleared when it is back', async () => {
    const { bench, bridge } = await openWithBridge();
    bench.time.advance(10 * minuteMs);
    await bridge.state();
    bridge.disconnect();
    await expect
      .poll(
        async () =>
          (await bench.store.read.selectFrom('bridge_status').selectAll().execute())[0]?.last_seen_at_ms,
      )
      .toBe(bench.time.ms);
    bench.time.advance(minuteMs - 1);
    expect(await brief(bench.access)).toEqual([]);
    bench.time.advance(1);
    expect(await brief(bench.access)).toEqual([`warning bridge.offline:${bridge.id}`]);
    bench.time.advance(24 * 60 * minuteMs);
    expect(await brief(bench.access)).toEqual([`error bridge.offline:${bridge.id}`]);
    await bridge.connect();
    expect(await brief(bench.access)).toEqual([]);
  });

  test('after a start of the hub its controllers have a minute to come back', async () => {
    const { bench, bridge } = await openWithBridge();
    bridge.disconnect();
    bench.time.advance(60 * minuteMs);
    const again = await bench.openAgain();
    expect(await brief(again.access)).toEqual([]);
    again.time.advance(minuteMs);
    expect(await brief(again.access)).toEqual([`warning bridge.offline:${bridge.id}`]);
  });

  test('one that never came is a note, and after an hour more than that', async () => {
    const bench = await openBench();
    const { bridgeId } = await createBridge(bench.access.parts, staff, 'Barn');
    expect(await brief(bench.access)).toEqual([`info bridge.neverConnected:${bridgeId}`]);
    bench.time.advance(60 * minuteMs);
    expect(await brief(bench.access)).toEqual([`warning bridge.neverConnected:${bridgeId}`]);
  });

  test('one that does not take over new rules is found: at once when it refuses, after five minutes when it is silent', async () => {
    const { bench, bridge } = await openWithBridge();
    await bench.store.transact('test.site', (tx) => bench.access.onSiteChanged(tx));
    await bench.store.transact('test.rename', async (tx) => {
      const portal = await tx.selectFrom('portal').select('id').executeTakeFirstOrThrow();
      await tx.write('portal', portal.id, { name: 'Main door' });
      await bench.access.onSiteChanged(tx);
    });
    expect(await brief(bench.access)).toEqual([]);
    bench.time.advance(5 * minuteMs);
    expect(await brief(bench.access)).toEqual([`warning bridge.policyPending:${bridge.id}`]);
    await bridge.say('policy-applied', {
      version: bridge.version,
      refused: 'hashMismatch',
      withheldCredentialIds: [],
    });
    expect(await brief(bench.access)).toEqual([`error bridge.policyRefused:${bridge.id}`]);
    await bridge.pull();
    expect(await brief(bench.access)).toEqual([]);
  });

  test('what a controller finds itself, its backlog and a noisy reader are found here too', async () => {
    const { bench, bridge } = await openWithBridge();
    const reader = wiegandState('front-in', { goodFrames: 60, faultyFrames: 20, lostBits: 7 });
    await bridge.state({
      journal: { lastSeq: 6000, syncedSeq: 6000, ackedSeq: 1000, writable: false },
      readers: [
        reader,
        { ...reader, key: 'good', goodFrames: 1000 },
        { ...reader, key: 'new', faultyFrames: 9 },
      ],
      findings: [
        {
          id: 'journal.notWritable',
          severity: 'error',
          evidence: 'The journal cannot be written; 3 events were lost.',
          fix: 'Free space.',
        },
      ],
    });
    expect(await brief(bench.access)).toEqual([
      `warning bridge.backlog:${bridge.id}`,
      `warning reader.noisy:${bridge.id}:front-in`,
      `error bridge.journal.notWritable:${bridge.id}`,
    ]);
    const findings = await bench.access.health.findings?.();
    expect(findings?.[1]?.evidence).toContain('read 20 of 80 cards wrong');
    expect(findings?.[2]?.evidence).toBe('"This box": The journal cannot be written; 3 events were lost.');
  });

  test('decisions are counted by result, reason and door when they arrive, each once', async () => {
    const { bench, bridge } = await openWithBridge();
    const events = [
      bridge.event({ kind: 'granted', portalKey: 'front' }),
      bridge.event({ kind: 'denied', portalKey: 'front', reason: 'unknownCredential' }),
      bridge.event({ kind: 'denied', portalKey: 'front', reason: 'unknownCredential' }),
      bridge.event({ kind: 'opened', portalKey: 'front' }),
    ];
    await bridge.offer(events);
    await bridge.offer(events);
    const metric = bench.access.health.metrics?.find(({ name }) => name === 'access_decisions_total');
    expect(metric?.read()).toEqual([
      { labels: { result: 'granted', reason: '', portal: 'front' }, value: 1 },
      { labels: { result: 'denied', reason: 'unknownCredential', portal: 'front' }, value: 2 },
    ]);
  });
});
