import { expect, test } from 'vitest';
import { acknowledgeAlarm, listAlarms } from '#hub/domains/access/alarms/workflow.ts';
import { streamEventLines } from '#hub/domains/access/events/csv.ts';
import { eventQuerySchema } from '#hub/domains/access/events/schema.ts';
import { listEvents } from '#hub/domains/access/events/workflow.ts';
import { builtInRoles } from '#tests/_support/open-domains.ts';
import {
  accepted,
  addPaidMember,
  type Bench,
  openWithBridge,
  refused,
  type ScriptedBridge,
  staff,
} from './support.ts';

const portalEvent = (bridge: ScriptedBridge, memberId: string, duress: boolean) =>
  bridge.event({
    kind: 'granted',
    portalKey: 'front',
    readerKey: 'front-in',
    memberId,
    checks: [{ check: 'pinRight', passed: true }],
    ...(duress ? { duress: true } : {}),
  });
const alarms = async ({ access }: Bench) => accepted(await listAlarms(access.parts, { limit: 50 })).items;

test('a duress PIN raises an alarm for those who may see alarms, once, and webhooks of that topic hear of it', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const event = portalEvent(bridge, member.id, true);
  await bridge.offer([event]);
  await bridge.offer([event]);
  const [alarm, ...more] = await alarms(bench);
  expect(more).toEqual([]);
  expect(alarm).toMatchObject({
    kind: 'duress',
    portal: { name: 'Front door' },
    member: { name: 'Ada Lovelace' },
    acknowledgedAt: null,
  });
  expect(bench.announced.filter(({ topic }) => topic === 'access.alarm').map(({ data }) => data.id)).toEqual([
    alarm?.id,
  ]);
  const { parts } = bench.access;
  const looked = accepted(await acknowledgeAlarm(parts, staff, alarm?.id ?? '', 'called her'));
  expect(looked).toMatchObject({ acknowledgedBy: 'Grace', note: 'called her' });
  expect(refused(await acknowledgeAlarm(parts, staff, looked.id, null)).code).toBe('alarmAcknowledged');
  expect(refused(await acknowledgeAlarm(parts, staff, member.id, null)).code).toBe('alarmNotFound');
});

/** Everything that somebody sees of one PIN grant who may see all but alarms. */
async function seenOf(duress: boolean) {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  bench.announced.length = 0;
  await bridge.offer([portalEvent(bridge, member.id, duress)]);
  const { parts } = bench.access;
  const query = eventQuerySchema.parse({ count: 'true' });
  const list = accepted(await listEvents(parts, query));
  const csv: string[] = [];
  for await (const piece of streamEventLines(parts, query)) csv.push(Buffer.from(piece).toString('utf8'));
  const rows = await bench.store.read.selectFrom('access_event').selectAll().execute();
  const audit = await bench.store.read.selectFrom('audit_entry').select('action').execute();
  const seen = {
    list,
    csv,
    announced: bench.announced.filter(({ topic }) => topic !== 'access.alarm'),
    rows,
    audit: audit.map(({ action }) => action),
    findings: await bench.access.health.findings?.(),
    figures: await bench.access.health.figures?.(),
  };
  // Ids are made anew in every hub, and stand for each other in the order in which they come.
  const ids = new Map<string, string>();
  const text = JSON.stringify(seen).replaceAll(
    /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g,
    (id) => {
      ids.set(id, ids.get(id) ?? `id${String(ids.size)}`);
      return ids.get(id) ?? '';
    },
  );
  return { text, events: list.items.length, alarms: (await alarms(bench)).length };
}

test('whoever may not see alarms sees the same, to the letter, whether it was the PIN or the duress PIN', async () => {
  const [right, duress] = [await seenOf(false), await seenOf(true)];
  expect([right.alarms, duress.alarms, right.events]).toEqual([0, 1, 1]);
  expect(duress.text).toBe(right.text);
  expect(duress.text).not.toMatch(/duress/i);
});

test('of the built-in roles only those of administrators may see alarms', () => {
  const roles = Object.entries(builtInRoles).filter(([, permissions]) => permissions.includes('alarm.read'));
  expect(roles.map(([name]) => name)).toEqual(['super_admin', 'makerspace_admin']);
});
