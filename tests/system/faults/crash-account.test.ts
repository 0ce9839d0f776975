import { describe, expect, it } from 'vitest';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { judgeTaps, releasesWithoutRecord } from '#tests/_support/crash/account.ts';
import { type DiskCall, TracedDisk } from '#tests/_support/crash/traced-disk.ts';
import { type SceneDoor, sceneDoors, type Tap } from '#tests/_support/doors/scene.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';

const [north, east] = sceneDoors as [SceneDoor, SceneDoor];

const entry = (seq: number, monotonicMs: number, fields: Partial<BridgeEvent>): BridgeEvent => ({
  seq,
  bootId: '5f6bd6ae-3a4c-4f7e-9a66-a5a0d9f2f3b1',
  kind: 'granted',
  wallMs: 0,
  clockTrust: 'ntp',
  monotonicMs,
  ...fields,
});

describe('the account of strikes', () => {
  const release = (door: SceneDoor, atMs: number) => ({ door, released: true, atMs });

  it('takes the entry right before a release, however long the strike took to move', () => {
    const journal = [
      entry(1, 100, { portalKey: 'north' }),
      entry(2, 400, { kind: 'denied', portalKey: 'east' }),
    ];
    expect(releasesWithoutRecord([release(north, 390.2)], journal)).toEqual([]);
  });

  it('finds a release at another door, a second one, and one after something else', () => {
    const journal = [
      entry(1, 100, { portalKey: 'north' }),
      entry(2, 200, { kind: 'denied', portalKey: 'north' }),
    ];
    expect(releasesWithoutRecord([release(east, 100.4)], journal)).toHaveLength(1);
    expect(releasesWithoutRecord([release(north, 100.4), release(north, 101.6)], journal)).toHaveLength(1);
    expect(releasesWithoutRecord([release(north, 210)], journal)).toHaveLength(1);
    expect(releasesWithoutRecord([release(north, 90)], journal)).toHaveLength(1);
  });

  it('tells releases within one ms apart', () => {
    const journal = [1, 2, 3].map((seq) => entry(seq, 100, { portalKey: 'north' }));
    const moves = [99.8, 100, 100.2].map((atMs) => release(north, atMs));
    expect(releasesWithoutRecord(moves, journal)).toEqual([]);
    expect(releasesWithoutRecord([...moves, release(north, 100.3)], journal)).toHaveLength(1);
  });
});

describe('the account of taps', () => {
  const life = { bornMs: 0, servesMs: 50, killedMs: 5000 };
  const tap = (atMs: number, credentialId: string | null): Tap => ({ door: north, credentialId, atMs });
  const granted = (seq: number, atMs: number, credentialId: string): BridgeEvent =>
    entry(seq, atMs, { portalKey: 'north', credentialId });
  const taps = [tap(10, 'a'), tap(100, 'b'), tap(200, null), tap(4900, 'a')];
  const denied = entry(2, 201, { kind: 'denied', portalKey: 'north' });

  it('accepts that a tap before the start or right before the kill has no decision', () => {
    expect(judgeTaps(taps, [granted(1, 101, 'b'), denied], [life])).toEqual({ answered: 2, misjudged: [] });
    const all = [granted(1, 40, 'a'), granted(2, 101, 'b'), denied, granted(4, 4901, 'a')];
    expect(judgeTaps(taps, all, [life])).toEqual({ answered: 4, misjudged: [] });
  });

  it('finds a tap without a decision, another card, a wrong answer and a decision too many', () => {
    const wrong = [
      [granted(1, 101, 'b')],
      [granted(1, 101, 'a'), denied],
      [granted(1, 101, 'b'), granted(2, 201, 'b')],
      [granted(1, 101, 'b'), denied, { ...denied, seq: 3, monotonicMs: 300 }],
    ];
    for (const journal of wrong) expect(judgeTaps(taps, journal, [life]).misjudged).toHaveLength(1);
  });
});

describe('the disk of a power cut', () => {
  const random = seededRandom(1);
  let nowMs = 0;
  const call = (act: DiskCall['act']): DiskCall => {
    nowMs += 2;
    return { startMs: nowMs - 1, endMs: nowMs, act };
  };
  const write = (path: string, text: string, offset: number | null = null): DiskCall =>
    call({ kind: 'write', path, offset, bytes: Buffer.from(text) });
  const sync = (path: string): DiskCall => call({ kind: 'sync', path });
  const textsOf = (files: Map<string, Buffer>) =>
    Object.fromEntries([...files].map(([path, bytes]) => [path, bytes.toString()]));
  const after = (calls: readonly DiskCall[], survival: 'lost' | 'whole' | 'torn') => {
    const disk = new TracedDisk(new Map([['b/old', Buffer.from('old')]]));
    for (const each of calls) disk.apply(each);
    return textsOf(disk.cut(survival, random));
  };

  it('keeps what a sync covers and may lose the rest', () => {
    const calls = [write('b/old', 'new', 0), sync('b/old'), write('b/old', '!', 3)];
    expect(after(calls, 'lost')).toEqual({ 'b/old': 'new' });
    expect(after(calls, 'whole')).toEqual({ 'b/old': 'new!' });
  });

  it('does not count a write that ended while the sync ran', () => {
    const disk = new TracedDisk(new Map([['b/old', Buffer.from('old')]]));
    disk.apply({
      startMs: 5,
      endMs: 7,
      act: { kind: 'write', path: 'b/old', offset: 0, bytes: Buffer.from('new') },
    });
    disk.apply({ startMs: 6, endMs: 9, act: { kind: 'sync', path: 'b/old' } });
    expect(textsOf(disk.cut('lost', random))).toEqual({ 'b/old': 'old' });
  });

  it('knows a new name only after its directory was synced', () => {
    const draft = [
      call({ kind: 'create', path: 'b/draft', truncates: false }),
      write('b/draft', 'new'),
      sync('b/draft'),
      call({ kind: 'rename', path: 'b/draft', to: 'b/old' }),
    ];
    expect(after(draft, 'lost')).toEqual({ 'b/old': 'old' });
    expect(after(draft, 'whole')).toEqual({ 'b/old': 'new' });
    expect(after([...draft, sync('b')], 'lost')).toEqual({ 'b/old': 'new' });
  });

  it('tears at sectors, and shows of each what it once was', () => {
    const calls = [write('b/old', 'x'.repeat(2048), 0), write('b/old', 'y'.repeat(2048), 0)];
    const seen = new Set<string>();
    for (let round = 0; round < 500; round += 1) {
      const content = after(calls, 'torn')['b/old'] ?? '';
      for (let at = 0; at < content.length; at += 512) seen.add(content.slice(at, at + 512));
    }
    const sectors = [...seen].filter((sector) => sector.length === 512 && !sector.startsWith('old'));
    expect(sectors.sort()).toEqual(['\0'.repeat(512), 'x'.repeat(512), 'y'.repeat(512)]);
  });
});
