import { expect, it, onTestFinished } from 'vitest';
import { joinCodeHash } from '#hub/sync/link/join-code.ts';
import { useCentre } from '../hubs.ts';
import { memberRow, Replica } from '../replicas.ts';

const centre = useCentre();

/** An entry of the audit log; those after `half` have ids before all others. */
const entryRow = (seq: number, half: number) => ({
  id: `0199a1f0-0000-7000-${seq > half ? '8' : '9'}000-${seq.toString(16).padStart(12, '0')}`,
  seq,
  at_ms: 1,
  actor_kind: 'system' as const,
  actor_id: null,
  action: 'test.note',
  target_table: null,
  target_id: null,
  payload_digest: 'd',
  prev_hash: `hash ${seq - 1}`,
  hash: `hash ${seq}`,
});

it('takes rows in whatever order their ids are in: areas inside later ones, an audit log over a clock that was set back', async () => {
  const site = await centre().addSite();
  const first = await Replica.open();
  onTestFinished(() => first.close());
  const { code, hub } = await centre().invite(site);
  await first.join(centre(), code);
  const area = (id: string, parent: string | null) => ({ id, name: id.slice(-2), parent_id: parent });
  const low = '0199a1f0-0000-7000-8000-000000000001';
  const high = '0199a1f0-0000-7000-8000-0000000000ff';
  await first.store.transact('test', async (tx) => {
    await tx.insert('area', area(high, null));
    await tx.insert('area', area(low, high));
    await tx.insert('member', memberRow(1));
  });
  // Later entries have lower ids, over more than one page.
  const half = 2050;
  for (let from = 1; from <= 2 * half; from += 100)
    await first.store.transact('test', (tx) =>
      tx.appendAll(
        'audit_entry',
        Array.from({ length: Math.min(100, 2 * half - from + 1) }, (_, index) =>
          entryRow(from + index, half),
        ),
      ),
    );
  await first.sync();
  const again = '0'.repeat(8);
  await centre().value('select sync.replace_hub($1, $2, $3, 60)', site, hub, joinCodeHash(again));
  const second = await Replica.open();
  onTestFinished(() => second.close());
  await second.join(centre(), again, 'bootstrap');
  await second.sync();
  const restored = second.all('select seq, hash, prev_hash from audit_entry order by seq');
  expect(restored).toEqual(first.all('select seq, hash, prev_hash from audit_entry order by seq'));
  expect(second.rows('area')).toEqual(first.rows('area'));
  expect(second.all('select * from sync_dead_letter')).toEqual([]);
}, 60_000);
