import { it } from 'vitest';
import { statSync } from 'node:fs';
import { searchMembers } from '#hub/domains/members/member-search.ts';
import { memberWords } from '#hub/domains/members/search-rules.ts';
import { loadAdmissionFacts, listAdmissionMemberIds } from '#hub/domains/members/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, addPlan, openBench, startMs, addMember } from './support.ts';
const given = Array.from({ length: 400 }, (_, i) => 'abcdefghijklmnopqrstuvwxyz'[i % 26] + 'aeiou'[i % 5] + ((i * 7919) % 46656).toString(36));
const family = Array.from({ length: 3000 }, (_, i) => 'smtbkrlhgwdnpfcvjz'[i % 18] + 'aeiou'[(i >> 2) % 5] + ((i * 104729) % 1679616).toString(36));
it('m', async () => {
  const b = await openBench();
  const plan = await addPlan(b);
  let t = performance.now();
  const N = 100_000;
  for (let s = 0; s < N; s += 1000) await b.store.transact('x', async (tx) => {
    for (let i = s; i < s + 1000; i++) {
      const id = newId();
      const row = { number: 1001 + i, name: given[(i * 31) % 400] + ' ' + family[(i * 17) % 3000], email: i % 2 ? `p${i}@example.org` : null, status: i % 50 ? 'active' as const : 'suspended' as const };
      await tx.insert('member', { id, ...row, phone: null, locale: null, date_of_birth: null, guardian: null, notes: null, waiver_version: null, waiver_date: null, extended_access: 0, status_reason: null, status_since_ms: 0 });
      if (i % 10) await tx.insert('membership', { id: newId(), member_id: id, plan_id: plan.id, state: 'active', state_since_ms: 0, state_reason: null, from_ms: 0, until_ms: null, renews: 1, grace_days: 7, overdue_days: 30, due_at_ms: null });
      const words = [...memberWords({ ...row, planIds: i % 10 ? [plan.id] : [], groupIds: [] })];
      await tx.local.insertInto('member_word').values(words.map((word) => ({ word, member_number: row.number }))).execute();
    }
  });
  console.log('insert s', (performance.now() - t) / 1000, statSync(b.location.path).size / 1e6);
  for (const f of [{}, { q: 'a' }, { q: 'sa' }, { q: 'a s' }, { q: 'ba se' }, { status: 'suspended' }, { status: 'suspended', q: 'a' }, { status: 'active' as const, q: 'zo' }, { planId: plan.id }, { planId: plan.id, status: 'active', q: 's' }, { q: 'p99999@' }, { q: '1500' }, {q:'zzzz a'}] as any[]) {
    const times = [];
    let n = 0;
    for (let r = 0; r < 15; r++) { t = performance.now(); n = accepted(await searchMembers(b.store.read, f, { limit: 50, cursor: undefined }, startMs)).items.length; times.push(performance.now() - t); }
    times.sort((x, y) => x - y);
    console.log(JSON.stringify(f).slice(0, 70), n, 'p50', times[7]!.toFixed(1), 'max', times[14]!.toFixed(1));
  }
  // deep paging
  t = performance.now(); let cursor: string | undefined; let pages = 0;
  let worst = 0;
  do { const t1 = performance.now(); const p = accepted(await searchMembers(b.store.read, { q: 's' }, { limit: 200, cursor }, startMs)); worst = Math.max(worst, performance.now() - t1); cursor = p.nextCursor ?? undefined; pages++; } while (cursor);
  console.log('deep', pages, 'worst page ms', worst.toFixed(1));
  t = performance.now(); let after: string | null = null; let n = 0; worst = 0;
  for (;;) { const t1 = performance.now(); const ids: readonly string[] = await listAdmissionMemberIds(b.store.read, after, 1000); if (!ids.length) break; n += (await loadAdmissionFacts(b.store.read, ids, startMs)).size; worst = Math.max(worst, performance.now() - t1); after = ids.at(-1)!; }
  console.log('facts', n, (performance.now() - t).toFixed(0), 'ms; worst slice of 1000', worst.toFixed(1));
  const ct = [];
  for (let i = 0; i < 50; i++) { t = performance.now(); await addMember(b, { name: 'Created ' + i }); ct.push(performance.now() - t); }
  ct.sort((x, y) => x - y);
  console.log('create member p50', ct[25]!.toFixed(1), 'max', ct[49]!.toFixed(1));
}, 300_000);
