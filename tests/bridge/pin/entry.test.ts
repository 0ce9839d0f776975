import { describe, expect, test } from 'vitest';
import {
  firstKeyMs,
  nextKeyMs,
  noEntry,
  type PinEffect,
  type PinEntry,
  type PinInput,
  stepPinEntry,
} from '#bridge/pin/entry.ts';

type Step = PinInput<string> & { readonly afterMs?: number };
const keys = (text: string, afterMs = 0): Step => ({ kind: 'keys', keys: text, afterMs });
const ask = (card: string): Step => ({ kind: 'ask', card });
const wait = (afterMs: number): Step => ({ kind: 'timer', afterMs });
const done: Step = { kind: 'checked' };

/** What comes of inputs, each so long after the one before. */
function run(steps: readonly Step[]): { state: PinEntry<string>; effects: PinEffect<string>[] } {
  let state: PinEntry<string> = noEntry;
  let nowMs = 1000;
  const effects: PinEffect<string>[] = [];
  for (const { afterMs = 0, ...input } of steps) {
    nowMs += afterMs;
    const step = stepPinEntry(state, input, nowMs);
    state = step.state;
    effects.push(...step.effects.filter(({ kind }) => kind !== 'key'));
  }
  return { state, effects };
}
const card = (name: string, pin: string) => ({ kind: 'check', by: { card: name }, pin });
const number = (value: number, pin: string) => ({ kind: 'check', by: { number: value }, pin });
const asks = { kind: 'ask' };
const lapsed = (name: string) => ({ kind: 'lapsed', card: name });
const unclear = { kind: 'unclear' };

test.each<[string, Step[], object[]]>([
  ['the PIN of a card', [ask('a'), keys('4711#')], [asks, card('a', '4711')]],
  [
    'the same key by key',
    [ask('a'), keys('4'), keys('7', 2000), keys('1', 2000), keys('1', 2000), keys('#', 2000)],
    [asks, card('a', '4711')],
  ],
  ['silence instead of #', [ask('a'), keys('4711'), wait(nextKeyMs)], [asks, card('a', '4711')]],
  ['a moment less of silence', [ask('a'), keys('4711'), wait(nextKeyMs - 1)], [asks]],
  ['no key at all', [ask('a'), wait(firstKeyMs)], [asks, lapsed('a')]],
  ['a moment before that', [ask('a'), wait(firstKeyMs - 1)], [asks]],
  [
    'a first key in the last moment',
    [ask('a'), keys('4', firstKeyMs - 1), keys('711#')],
    [asks, card('a', '4711')],
  ],
  ['* cancels', [ask('a'), keys('47*')], [asks, lapsed('a')]],
  ['# without a digit', [ask('a'), keys('#')], [asks, lapsed('a')]],
  ['three digits are no PIN', [ask('a'), keys('471#')], [asks, lapsed('a')]],
  ['eight digits are', [ask('a'), keys('84736251#')], [asks, card('a', '84736251')]],
  ['nine are not the PIN of the first eight', [ask('a'), keys('847362519#')], [asks, lapsed('a')]],
  ['ninety are not either', [ask('a'), keys(`${'8'.repeat(90)}#`)], [asks, lapsed('a')]],
  [
    'another card starts over',
    [ask('a'), keys('47'), ask('b'), keys('5823#')],
    [asks, lapsed('a'), asks, card('b', '5823')],
  ],
  [
    'a card that needs no PIN ends it',
    [ask('a'), { kind: 'otherCard' }, keys('4711#')],
    [asks, lapsed('a'), unclear],
  ],
  ['number and PIN', [keys('17*4711#')], [number(17, '4711')]],
  ['number and PIN, by silence', [keys('17*4711'), wait(nextKeyMs)], [number(17, '4711')]],
  ['a number of nine digits', [keys('999999999*4711#')], [number(999_999_999, '4711')]],
  ['a number of ten is nobody', [keys('9999999999*4711#')], [unclear]],
  ['a number without a PIN is forgotten', [keys('17*'), wait(nextKeyMs), keys('4711#')], [unclear]],
  ['digits alone are forgotten', [keys('4711'), wait(nextKeyMs)], []],
  ['digits and # are neither', [keys('4711#')], [unclear]],
  ['# alone is nothing', [keys('#')], []],
  ['* alone is nothing', [keys('*'), keys('17*4711#')], [number(17, '4711')]],
  ['a second * begins anew', [keys('17*47*'), keys('18*5823#')], [number(18, '5823')]],
  [
    'keys during the check are lost',
    [keys('17*4711#'), keys('18*5823#'), done, keys('18*5823#')],
    [number(17, '4711'), number(18, '5823')],
  ],
  [
    'a card during the check of another',
    [ask('a'), keys('4711#'), { kind: 'otherCard' }, done],
    [asks, card('a', '4711')],
  ],
  [
    'the end of a check does not end what another card began',
    [ask('a'), keys('4711#'), ask('b'), done, keys('5823#')],
    [asks, card('a', '4711'), asks, card('b', '5823')],
  ],
])('%s', (_, steps, effects) => {
  expect(run(steps).effects).toEqual(effects);
});

describe('what is left over', () => {
  test('after everything that ends, nothing: no digit and no timer', () => {
    for (const steps of [
      [keys('17*4711#'), done],
      [ask('a'), keys('47*')],
      [keys('1'), wait(nextKeyMs)],
      [ask('a'), wait(firstKeyMs)],
    ])
      expect(run(steps).state).toEqual(noEntry);
  });
  test('the number of digits is bounded, whatever is typed', () => {
    const { state } = run([keys('1'.repeat(1000))]);
    expect(JSON.stringify(state).length).toBeLessThan(120);
  });
  test('each key while the door asks is shown', () => {
    const step = stepPinEntry<string>(
      { kind: 'asked', card: 'a', digits: '', deadlineMs: 5 },
      { kind: 'keys', keys: '47' },
      0,
    );
    expect(step.effects).toEqual([{ kind: 'key' }, { kind: 'key' }]);
  });
});
