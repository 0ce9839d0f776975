import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changePortal, removePortal } from '#hub/domains/access/doors/workflow.ts';
import { ruleCreateSchema } from '#hub/domains/access/rules/schema.ts';
import { changeRule, createRule } from '#hub/domains/access/rules/workflow.ts';
import { groupCreateSchema } from '#hub/domains/members/plans/schema.ts';
import { createGroup } from '#hub/domains/members/plans/workflow.ts';
import { makesCycle } from '#hub/domains/places/rules.ts';
import {
  holidayCreateSchema,
  holidayPatchSchema,
  openingHoursPutSchema,
} from '#hub/domains/places/schema.ts';
import {
  changeArea,
  changeHoliday,
  createArea,
  createHoliday,
  putOpeningHours,
  removeArea,
  removeOpeningHours,
} from '#hub/domains/places/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, firstPortal, openWithBridge, refused, staff } from './support.ts';

test('no series of accepted moves ever makes a cycle', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const id = fc.constantFrom(...ids);
  fc.assert(
    fc.property(fc.array(fc.tuple(id, fc.option(id, { nil: null })), { maxLength: 30 }), (moves) => {
      const parents: Record<string, string | null> = Object.fromEntries(ids.map((name) => [name, null]));
      for (const [area, parent] of moves) if (!makesCycle(area, parent, parents)) parents[area] = parent;
      for (const start of ids) {
        let current: string | null = start;
        for (let steps = 0; current !== null; steps += 1) {
          expect(steps).toBeLessThan(ids.length);
          current = parents[current] ?? null;
        }
      }
    }),
  );
});

describe('areas', () => {
  test('form a tree: a cycle, a stranger and a second of the same name are refused by their field', async () => {
    const { bench, bridge } = await openWithBridge();
    const hall = accepted(await createArea(bench.places, staff, { name: 'Hall', parentId: null }));
    const room = accepted(await createArea(bench.places, staff, { name: 'Laser room', parentId: hall.id }));
    expect(
      refused(await changeArea(bench.places, staff, hall.id, { version: 1, parentId: room.id })),
    ).toMatchObject({
      code: 'areaCycle',
      errors: [{ pointer: '/body/parentId' }],
    });
    expect(
      refused(await changeArea(bench.places, staff, hall.id, { version: 1, parentId: hall.id })).code,
    ).toBe('areaCycle');
    expect(refused(await createArea(bench.places, staff, { name: 'Yard', parentId: newId() })).code).toBe(
      'areaUnknown',
    );
    expect(refused(await createArea(bench.places, staff, { name: 'hall', parentId: null })).code).toBe(
      'areaNameTaken',
    );
    accepted(await createArea(bench.places, staff, { name: 'Hall', parentId: hall.id }));
    await bridge.pull();
    expect(bridge.document?.areaParents).toMatchObject({ [hall.id]: null, [room.id]: hall.id });
  });

  test('one that something stands on cannot go, and says what', async () => {
    const { bench } = await openWithBridge();
    const { deps } = bench.access;
    const space = await bench.store.read.selectFrom('area').select('id').executeTakeFirstOrThrow();
    accepted(
      await changePortal(deps, staff, (await firstPortal(bench)).id, { version: 1, areaId: space.id }),
    );
    expect(refused(await removeArea(bench.places, staff, space.id))).toMatchObject({
      code: 'areaInUse',
      uses: ['door Front door'],
    });
    const hall = accepted(await createArea(bench.places, staff, { name: 'Hall', parentId: null }));
    expect(accepted(await removeArea(bench.places, staff, hall.id))).toBe(null);
    expect(refused(await removeArea(bench.places, staff, hall.id)).code).toBe('areaNotFound');
  });
});

describe('doors', () => {
  test('one setting changes and the others stay', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id, version } = await firstPortal(bench);
    const { deps } = bench.access;
    const changed = accepted(
      await changePortal(deps, staff, id, { version, name: 'Main', settings: { accessTimeSeconds: 8 } }),
    );
    expect(changed).toMatchObject({ name: 'Main', settings: { accessTimeSeconds: 8, heldOpenSeconds: 30 } });
    expect(refused(await changePortal(deps, staff, id, { version, name: 'Other' }))).toMatchObject({
      code: 'staleVersion',
      current: { name: 'Main' },
    });
    expect(
      refused(
        await changePortal(deps, staff, id, { version: changed.version, settings: { preAlarmSeconds: 30 } }),
      ),
    ).toMatchObject({ code: 'settingsInvalid', errors: [{ pointer: '/body/settings/preAlarmSeconds' }] });
    await bridge.pull();
    expect(bridge.document?.portals[0]).toMatchObject({ name: 'Main', settings: { accessTimeSeconds: 8 } });
  });

  test('settings that contradict each other are refused, each at its field', async () => {
    const { bench } = await openWithBridge();
    const { id, version } = await firstPortal(bench);
    const { deps } = bench.access;
    const window = { weekday: 1, startMinute: 600, endMinute: 600 };
    const refusal = refused(
      await changePortal(deps, staff, id, {
        version,
        settings: {
          accessTimeSeconds: 20,
          extendedAccessTimeSeconds: 15,
          heldOpenSeconds: 30,
          preAlarmSeconds: 30,
          schedule: [{ window, mode: 'unlocked' }],
          identificationWindows: [
            { window: { ...window, endMinute: 660 }, identification: 'pin' },
            { window, identification: 'cardAndPin' },
          ],
        },
      }),
    );
    expect(refusal).toMatchObject({ code: 'settingsInvalid' });
    expect('errors' in refusal ? refusal.errors.map((error) => error.pointer) : []).toEqual([
      '/body/settings/extendedAccessTimeSeconds',
      '/body/settings/preAlarmSeconds',
      '/body/settings/schedule/0/window/endMinute',
      '/body/settings/identificationWindows/1/window/endMinute',
    ]);
    expect((await firstPortal(bench)).version).toBe(version);
  });

  test('one that its bridge still has cannot go; one that it lost goes with its rules', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const { deps } = bench.access;
    accepted(
      await createRule(
        deps,
        staff,
        ruleCreateSchema.parse({
          name: 'Front',
          subject: { kind: 'everyone' },
          target: { kind: 'portal', id },
        }),
      ),
    );
    expect(refused(await removePortal(deps, staff, id)).code).toBe('portalAnnounced');
    bridge.portals = [];
    await bridge.connect();
    expect(accepted(await removePortal(deps, staff, id))).toBe(null);
    await bridge.pull();
    expect(bridge.document?.portals).toEqual([]);
    expect(bridge.document?.rules.map((rule) => rule.name)).not.toContain('Front');
  });
});

describe('hours and holidays', () => {
  test('a window that ends in the minute in which it begins is refused at its end', () => {
    const day = { startMinute: 600, endMinute: 600 };
    const hours = openingHoursPutSchema.safeParse({ areaId: null, windows: [{ weekday: 1, ...day }] });
    expect(hours.error?.issues.map((issue) => issue.path)).toEqual([['windows', 0, 'endMinute']]);
    const holiday = {
      date: '2026-12-24',
      name: 'Christmas',
      windows: [{ startMinute: 0, endMinute: 60 }, day],
    };
    for (const schema of [holidayCreateSchema, holidayPatchSchema.omit({ version: true })])
      expect(schema.safeParse(holiday).error?.issues.map((issue) => issue.path)).toEqual([
        ['windows', 1, 'endMinute'],
      ]);
    expect(
      openingHoursPutSchema.safeParse({
        areaId: null,
        windows: [{ weekday: 1, startMinute: 0, endMinute: 1440 }],
      }).success,
    ).toBe(true);
  });
});

describe('rules', () => {
  test('what a rule names must be there, and each fault is named', async () => {
    const { bench } = await openWithBridge();
    const { deps } = bench.access;
    const wrong = ruleCreateSchema.parse({
      name: 'Wrong',
      subject: { kind: 'member', id: newId() },
      target: { kind: 'area', id: newId() },
      windows: [{ weekday: 1, startMinute: 60, endMinute: 60 }],
      validFrom: '2026-12-02T00:00:00Z',
      validUntil: '2026-12-01T00:00:00+01:00',
    });
    const refusal = refused(await createRule(deps, staff, wrong));
    expect(refusal).toMatchObject({ code: 'ruleInvalid' });
    expect('errors' in refusal ? refusal.errors.map((error) => error.pointer) : []).toEqual([
      '/body/target/id',
      '/body/subject/id',
      '/body/validUntil',
      '/body/windows/0/endMinute',
    ]);
  });

  test('a change keeps what is not named, and times are the site’s own moments', async () => {
    const { bench } = await openWithBridge();
    const { deps } = bench.access;
    const group = accepted(
      await createGroup(bench.members, staff, groupCreateSchema.parse({ name: 'Course' })),
    );
    const made = accepted(
      await createRule(
        deps,
        staff,
        ruleCreateSchema.parse({
          name: 'Course',
          subject: { kind: 'group', id: group.id },
          target: { kind: 'site' },
          validUntil: '2026-12-01T00:00:00+01:00',
        }),
      ),
    );
    expect(made.validUntil).toBe('2026-11-30T23:00:00.000Z');
    const changed = accepted(
      await changeRule(deps, staff, made.id, { version: 1, outsideOpeningHours: true }),
    );
    expect(changed).toMatchObject({ name: 'Course', validUntil: made.validUntil, outsideOpeningHours: true });
    const openEnded = accepted(await changeRule(deps, staff, made.id, { version: 2, validUntil: null }));
    expect(openEnded.validUntil).toBe(null);
  });
});

test.each(['plan', 'group', 'member'] as const)(
  'a rule for a %s that is not there is refused',
  async (kind) => {
    const { bench } = await openWithBridge();
    const rule = ruleCreateSchema.parse({
      name: 'X',
      subject: { kind, id: newId() },
      target: { kind: 'site' },
    });
    expect(refused(await createRule(bench.access.deps, staff, rule))).toMatchObject({
      code: 'ruleInvalid',
      errors: [{ pointer: '/body/subject/id' }],
    });
  },
);

test('opening hours are one week for each area, and go away again', async () => {
  const { bench, bridge } = await openWithBridge();
  const windows = [{ weekday: 1, startMinute: 600, endMinute: 1320 }];
  const first = accepted(await putOpeningHours(bench.places, staff, { areaId: null, windows }));
  const second = accepted(await putOpeningHours(bench.places, staff, { areaId: null, windows: [] }));
  expect(second).toMatchObject({ id: first.id, version: 2, windows: [] });
  await bridge.pull();
  expect(bridge.document?.openingHours).toEqual({ '': [] });
  accepted(await removeOpeningHours(bench.places, staff, first.id));
  await bridge.pull();
  expect(bridge.document?.openingHours).toEqual({});
  expect(refused(await putOpeningHours(bench.places, staff, { areaId: newId(), windows })).code).toBe(
    'areaUnknown',
  );
});

test('a day has one entry for the site and one for each area', async () => {
  const { bench, bridge } = await openWithBridge();
  const day = { date: '2026-12-25', name: 'Christmas', areaId: null, windows: [] };
  const made = accepted(await createHoliday(bench.places, staff, day));
  expect(refused(await createHoliday(bench.places, staff, day)).code).toBe('dayTaken');
  const other = accepted(await createHoliday(bench.places, staff, { ...day, date: '2026-12-26' }));
  expect(
    refused(await changeHoliday(bench.places, staff, other.id, { version: 1, date: day.date })).code,
  ).toBe('dayTaken');
  accepted(await changeHoliday(bench.places, staff, made.id, { version: 1, name: 'Closed' }));
  accepted(await createHoliday(bench.places, staff, { ...day, date: '2020-12-25' }));
  await bridge.pull();
  expect(bridge.document?.exceptions.map(({ date, name }) => [date, name])).toEqual([
    ['2026-12-25', 'Closed'],
    ['2026-12-26', 'Christmas'],
  ]);
});

test('the starter set is added once and opens the first door to the first member', async () => {
  const { bench, bridge } = await openWithBridge();
  await bench.store.transact('test.again', (tx) => bench.access.createStarterSet(tx, staff));
  await bridge.pull();
  expect(bridge.document?.rules).toHaveLength(1);
  expect(Object.values(bridge.document?.areaParents ?? {})).toEqual([null]);
  expect(bridge.document?.portals[0]?.areaId).toBe(Object.keys(bridge.document?.areaParents ?? {})[0]);
});
