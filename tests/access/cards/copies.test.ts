import { describe, expect, test } from 'vitest';
import { changeCredentialStatus, enrolCard, loadCredential } from '#hub/domains/access/cards/workflow.ts';
import { findImpossibleWay, type Sighting, sightingsIn } from '#hub/domains/access/clones/rules.ts';
import { dismissCopy } from '#hub/domains/access/clones/workflow.ts';
import { findPortals } from '#hub/domains/access/doors/repository.ts';
import { changePortal } from '#hub/domains/access/doors/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, addPaidMember, card, openWithBridge, refused, staff, startMs } from '../support.ts';

const seen = (portalId: string, second: number): Sighting => ({
  eventId: `${portalId}-${second}`,
  credentialId: 'fob',
  portalId,
  atMs: startMs + second * 1000,
});
const far = new Map([
  ['front', 0],
  ['barn', 60],
]);
const always = (): boolean => true;

describe('a way that nobody can have gone', () => {
  test.each([
    ['two doors, sooner than the way takes', [seen('front', 0), seen('barn', 59)], true],
    ['the other way round', [seen('barn', 0), seen('front', 59)], true],
    ['the order of arrival does not matter', [seen('barn', 30), seen('front', 0)], true],
    ['exactly as long as the way takes', [seen('front', 0), seen('barn', 60)], false],
    ['one door twice', [seen('barn', 0), seen('barn', 1)], false],
    ['doors that do not say how far they are', [seen('front', 0), seen('side', 1)], false],
    ['only neighbours in time count', [seen('barn', 0), seen('barn', 50), seen('front', 115)], false],
  ] as const)('%s: %s', (_name, sightings, isFound) => {
    expect(findImpossibleWay(sightings, always, far) !== null).toBe(isFound);
  });

  test('it says from where to where, and how long the way takes', () => {
    expect(findImpossibleWay([seen('front', 0), seen('barn', 20)], always, far)).toMatchObject({
      from: { portalId: 'front', atMs: startMs },
      to: { portalId: 'barn', atMs: startMs + 20_000 },
      walkSeconds: 60,
    });
  });

  test('what was there before does not come up again', () => {
    const sightings = [seen('front', 0), seen('barn', 20), seen('barn', 500)];
    const isNew = ({ eventId }: Sighting): boolean => eventId === 'barn-500';
    expect(findImpossibleWay(sightings, isNew, far)).toBeNull();
  });

  test('only cards held to readers count, and only where the time is sure', () => {
    const event = {
      id: 'one',
      kind: 'denied',
      credentialId: 'fob',
      portalId: 'front',
      atMs: startMs,
      clockTrust: 'ntp',
    } as const;
    expect(sightingsIn([event])).toHaveLength(1);
    expect(
      sightingsIn([
        { ...event, kind: 'entered' },
        { ...event, clockTrust: 'restored' },
        { ...event, credentialId: null },
        { ...event, portalId: null },
      ]),
    ).toEqual([]);
  });
});

async function twoDoors() {
  const { bench, bridge } = await openWithBridge();
  bridge.portals = [
    { key: 'front', name: 'Front door', readers: ['front-in'] },
    { key: 'barn', name: 'Barn', readers: ['barn-in'] },
  ];
  await bridge.connect();
  const member = await addPaidMember(bench);
  const wanted = { memberId: member.id, label: 'Blue fob' };
  const enrolled = accepted(await enrolCard(bench.access.deps, staff, card('123:4567'), wanted));
  const barn = (await findPortals(bench.store.read)).find(({ key }) => key === 'barn');
  if (barn === undefined) throw new Error('no barn');
  const setWalk = async (walkSeconds: number) => {
    const { version } = (await findPortals(bench.store.read)).find(({ id }) => id === barn.id) ?? barn;
    accepted(await changePortal(bench.access.deps, staff, barn.id, { version, walkSeconds }));
  };
  const tap = (portalKey: 'front' | 'barn', second: number) =>
    bridge.offer([
      bridge.event({
        kind: 'granted',
        portalKey,
        readerKey: `${portalKey}-in`,
        credentialId: enrolled.id,
        memberId: member.id,
        wallMs: startMs + second * 1000,
      }),
    ]);
  const copyOf = async () => accepted(await loadCredential(bench.access.deps, enrolled.id)).suspectedCopy;
  const findings = async () => (await bench.access.cardHealth.findings?.()) ?? [];
  return { bench, enrolled, setWalk, tap, copyOf, findings };
}

describe('a card at two doors', () => {
  test('it stands on the card and among the findings until somebody has looked into it', async () => {
    const { bench, enrolled, setWalk, tap, copyOf, findings } = await twoDoors();
    await setWalk(60);
    await tap('front', 0);
    expect(await copyOf()).toBeNull();
    await tap('barn', 20);
    expect(await copyOf()).toMatchObject({
      from: { portalName: 'Front door', at: '2026-11-22T12:00:00.000Z' },
      to: { portalName: 'Barn', at: '2026-11-22T12:00:20.000Z' },
      walkSeconds: 60,
    });
    const [finding] = await findings();
    expect(finding).toMatchObject({ id: `card.copied:${enrolled.id}`, severity: 'error' });
    expect(finding?.evidence).toBe(
      'The card "Blue fob" was at "Front door" at 2026-11-22T12:00:00.000Z and 20 s later at "Barn"; the way takes at least 60 s.',
    );

    // More of the same adds nothing.
    await tap('front', 25);
    expect(await findings()).toHaveLength(1);

    accepted(await dismissCopy(bench.access.deps, staff, enrolled.id, 'lent to her sister'));
    expect(await copyOf()).toBeNull();
    expect(await findings()).toEqual([]);
    expect(refused(await dismissCopy(bench.access.deps, staff, enrolled.id, null)).code).toBe(
      'nothingSuspected',
    );
    const audit = await bench.store.read
      .selectFrom('audit_entry')
      .select('action')
      .where('target_id', '=', enrolled.id)
      .where('action', '=', 'credential.dismissCopy')
      .execute();
    expect(audit).toHaveLength(1);

    await tap('front', 200);
    expect(await copyOf()).toBeNull();
    await tap('barn', 210);
    expect(await copyOf()).toMatchObject({ to: { at: '2026-11-22T12:03:30.000Z' } });
  });

  test('an event that comes late is compared with what lies around it', async () => {
    const { setWalk, tap, copyOf } = await twoDoors();
    await setWalk(60);
    await tap('front', 100);
    await tap('front', 900);
    await tap('barn', 890);
    expect(await copyOf()).toMatchObject({ from: { portalName: 'Barn' }, to: { portalName: 'Front door' } });
  });

  test('a card that is lost is no finding any more, and a door without a distance reports nothing', async () => {
    const { bench, enrolled, setWalk, tap, copyOf, findings } = await twoDoors();
    await tap('front', 0);
    await tap('barn', 1);
    expect(await copyOf()).toBeNull();
    await setWalk(60);
    await tap('front', 300);
    await tap('barn', 301);
    expect(await findings()).toHaveLength(1);
    accepted(await changeCredentialStatus(bench.access.deps, staff, enrolled.id, 'lose', null));
    expect(await findings()).toEqual([]);
  });

  test('a card that is not there is refused', async () => {
    const { bench } = await twoDoors();
    expect(refused(await dismissCopy(bench.access.deps, staff, newId(), null)).code).toBe(
      'credentialNotFound',
    );
  });
});
