import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardAlone, decideAccess, type Proof } from '#hub/domains/access/decide/rules.ts';
import { waysInAt } from '#hub/domains/access/decide/schedule-rules.ts';
import {
  type DenyReason,
  type Identification,
  identifications,
  portalSettingsPatchSchema,
  portalSettingsSchema,
} from '#hub/domains/access/schema.ts';
import { clockTrusts } from '#hub/kernel/time.ts';
import { ada, berlin, moment, momentArbitrary, policy, portalWith } from './policy-fixtures.ts';

const card: Proof = { by: 'card', pin: 'none', hasPin: true };
const cardPin: Proof = { ...card, pin: 'right' };
const numberPin: Proof = { by: 'number', pin: 'right', hasPin: true };
const noPinOfTheirs: Proof = { ...card, hasPin: false };

const say = (
  settings: { identification?: Identification; minAssurance?: 0 | 1 | 2 },
  proof: Proof,
  assurance = 0,
) => decideAccess(policy(), portalWith(settings), { ...ada, assurance }, moment(), proof).reason;

describe('what is shown against what a door takes', () => {
  const cases: [string, Identification, Proof, DenyReason | null][] = [
    ['a card where a card is enough', 'card', card, null],
    ['a card with its PIN there', 'card', cardPin, null],
    ['a number and PIN where only cards count', 'card', numberPin, 'assuranceTooLow'],
    ['a card where its PIN is asked for', 'cardAndPin', card, 'pinRequired'],
    ['a card and its PIN', 'cardAndPin', cardPin, null],
    ['a number and PIN where the card is needed too', 'cardAndPin', numberPin, 'assuranceTooLow'],
    ['a card of somebody without a PIN', 'cardAndPin', noPinOfTheirs, 'assuranceTooLow'],
    ['a card with a wrong PIN', 'cardAndPin', { ...card, pin: 'wrong' }, 'pinWrong'],
    ['a card while the reader takes no PINs', 'cardAndPin', { ...card, pin: 'refused' }, 'tooManyAttempts'],
    ['a number and PIN', 'pin', numberPin, null],
    ['a number with a wrong PIN', 'pin', { ...numberPin, pin: 'wrong' }, 'pinWrong'],
    ['a number while the reader takes no PINs', 'pin', { ...numberPin, pin: 'refused' }, 'tooManyAttempts'],
    ['a card in the place of the number', 'pin', card, 'pinRequired'],
    ['a card and its PIN in the place of number and PIN', 'pin', cardPin, null],
    ['a card where either will do', 'cardOrPin', card, null],
    [
      'a card while the reader takes no PINs, where a card is enough',
      'cardOrPin',
      { ...card, pin: 'refused' },
      null,
    ],
    ['a number and PIN where either will do', 'cardOrPin', numberPin, null],
  ];
  test.each(cases)('%s (%s)', (_, identification, proof, reason) => {
    expect(say({ identification }, proof)).toBe(reason);
  });
});

describe('assurance levels', () => {
  const cases: [string, 0 | 1 | 2, number, Proof, DenyReason | null][] = [
    ['a card of level 0 where 1 is demanded is asked for its PIN', 1, 0, card, 'pinRequired'],
    ['with its PIN it reaches level 1', 1, 0, cardPin, null],
    ['a member without a PIN cannot reach it', 1, 0, noPinOfTheirs, 'assuranceTooLow'],
    ['a card of level 1 needs no PIN', 1, 1, card, null],
    ['a card of level 2 needs no PIN', 1, 2, noPinOfTheirs, null],
    ['a PIN does not make a cryptographic card', 2, 0, cardPin, 'assuranceTooLow'],
    ['a level 1 card with its PIN neither', 2, 1, cardPin, 'assuranceTooLow'],
    ['a cryptographic card', 2, 2, card, null],
  ];
  test.each(cases)('%s', (_, minAssurance, assurance, proof, reason) => {
    expect(say({ minAssurance }, proof, assurance)).toBe(reason);
  });
  test('a number and PIN stay level 0: nothing of them has to be held in a hand', () => {
    expect(say({ identification: 'cardOrPin', minAssurance: 1 }, numberPin)).toBe('assuranceTooLow');
  });
  test('a strong card is asked for its PIN too where card and PIN are demanded', () => {
    expect(say({ identification: 'cardAndPin', minAssurance: 2 }, card, 2)).toBe('pinRequired');
  });
});

test('a door asks for a PIN only where the right one would open it', () => {
  fc.assert(
    fc.property(
      momentArbitrary,
      fc.constantFrom(...identifications),
      fc.constantFrom(0 as const, 1 as const, 2 as const),
      fc.boolean(),
      (at, identification, minAssurance, onHold) => {
        const portal = portalWith({ identification, minAssurance });
        const facts = { ...ada, onHold };
        const asked = decideAccess(policy(), portal, facts, at, card);
        if (asked.reason !== 'pinRequired') return;
        expect(decideAccess(policy(), portal, facts, at, cardPin).granted).toBe(true);
      },
    ),
  );
});

test('an unknown number says no more than a wrong PIN, and an unknown card what it always said', () => {
  const portal = portalWith({ identification: 'pin' });
  const unknown = (proof: Proof) => decideAccess(policy(), portal, undefined, moment(), proof).reason;
  expect(unknown({ ...numberPin, pin: 'wrong' })).toBe('pinWrong');
  expect(unknown({ ...numberPin, pin: 'refused' })).toBe('tooManyAttempts');
  expect(unknown(cardAlone)).toBe('unknownCredential');
});

describe('windows', () => {
  const night = { weekday: 5, startMinute: 22 * 60, endMinute: 6 * 60 };
  const byNight = (identification: Identification, standing: Identification = 'card') => ({
    identification: standing,
    identificationWindows: [{ window: night, identification }],
  });
  const takes = (settings: Parameters<typeof waysInAt>[0], at: string, isTimeKnown = true) =>
    waysInAt(settings, berlin, Date.parse(at), isTimeKnown);

  test.each([
    ['2026-11-20T20:59:00Z', true],
    ['2026-11-20T21:00:00Z', false],
    ['2026-11-21T04:59:00Z', false],
    ['2026-11-21T05:00:00Z', true],
  ])('card and PIN over midnight, in the zone of the site: %s', (at, isCardEnough) => {
    expect(takes(byNight('cardAndPin'), at).card).toBe(isCardEnough);
  });
  test('in the hour that the clocks repeat it holds both times', () => {
    // Berlin, 2026-10-25: 03:00 -> 02:00.
    const settings = {
      identification: 'card' as const,
      identificationWindows: [
        { window: { weekday: 7, startMinute: 150, endMinute: 165 }, identification: 'cardAndPin' as const },
      ],
    };
    const at = ['00:29', '00:30', '00:45', '01:30', '01:44', '01:45'].map(
      (time) => takes(settings, `2026-10-25T${time}:00Z`).card,
    );
    expect(at).toEqual([true, false, true, false, false, true]);
  });
  test('a window may ask for less', () => {
    expect(takes(byNight('cardOrPin', 'cardAndPin'), '2026-11-20T22:00:00Z')).toEqual({
      card: true,
      number: true,
    });
  });
  test('of two windows at once the stricter holds: what only one of them takes is not taken', () => {
    const both = {
      identification: 'cardOrPin' as const,
      identificationWindows: [
        { window: night, identification: 'card' as const },
        { window: night, identification: 'pin' as const },
      ],
    };
    expect(takes(both, '2026-11-20T22:00:00Z')).toEqual({ card: false, number: false });
    expect(takes(both, '2026-11-20T12:00:00Z')).toEqual({ card: true, number: true });
  });
  test('without a trusted clock the strictest of the standing value and all windows holds, at any time', () => {
    expect(takes(byNight('cardAndPin'), '2026-11-20T12:00:00Z', false)).toEqual({
      card: false,
      number: false,
    });
    expect(takes(byNight('cardOrPin', 'cardAndPin'), '2026-11-20T22:00:00Z', false).card).toBe(false);
    for (const clockTrust of clockTrusts)
      expect(
        decideAccess(policy(), portalWith(byNight('cardAndPin')), ada, moment({ clockTrust }), card).reason,
      ).toBe(clockTrust === 'none' || clockTrust === 'restored' ? 'pinRequired' : null);
  });
});

test('settings of an older release ask for a card, and a change of one setting leaves the others alone', () => {
  const { identification, identificationWindows, minAssurance, ...older } = portalWith({}).settings;
  expect(portalSettingsSchema.parse(older)).toEqual({
    ...older,
    identification,
    identificationWindows,
    minAssurance,
  });
  expect(identification).toBe('card');
  expect(portalSettingsPatchSchema.parse({ heldOpenSeconds: 60 })).toEqual({ heldOpenSeconds: 60 });
});
