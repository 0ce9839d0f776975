import { pinLength } from '#hub/domains/access/pins/rules.ts';
import { unreachable } from '#hub/kernel/result.ts';

/**
 * Collects the keys of one reader: a member's number and PIN (`17*4711#`), or the PIN of a card that a door asked
 * for. Pure: keys, cards and timers are values, times monotonic ms.
 */

/** Time for the first key after the door asked. */
export const firstKeyMs = 10_000;
/** Time between two keys; after it the input counts as entered. */
export const nextKeyMs = 2500;

const longestNumber = 9;

interface Typed {
  /** Before `*`; null: no `*` yet. */
  readonly number: string | null;
  readonly digits: string;
}
const nothing: Typed = { number: null, digits: '' };

export type PinEntry<Card> =
  | { readonly kind: 'collecting'; readonly typed: Typed; readonly deadlineMs: number | null }
  /** The door waits for the PIN of this card. */
  | { readonly kind: 'asked'; readonly card: Card; readonly digits: string; readonly deadlineMs: number }
  /** The PIN is being checked; keys are ignored meanwhile. */
  | { readonly kind: 'checking'; readonly card: Card | null; readonly deadlineMs: null };

export type PinInput<Card> =
  /** Digits, `*` and `#`, as they were pressed. */
  | { readonly kind: 'keys'; readonly keys: string }
  /** The door asks for the PIN of this card. */
  | { readonly kind: 'ask'; readonly card: Card }
  /** A card was read that needs no PIN. */
  | { readonly kind: 'otherCard' }
  | { readonly kind: 'checked' }
  | { readonly kind: 'timer' };

export type PinEffect<Card> =
  | { readonly kind: 'ask' }
  /** A key was taken while the door asks. */
  | { readonly kind: 'key' }
  | {
      readonly kind: 'check';
      readonly by: { readonly card: Card } | { readonly number: number };
      readonly pin: string;
    }
  /** No PIN was entered: too late, too short, cancelled, or another card. */
  | { readonly kind: 'lapsed'; readonly card: Card }
  /** The input is neither number and PIN nor a PIN that was asked for. */
  | { readonly kind: 'unclear' };

export interface PinStep<Card> {
  readonly state: PinEntry<Card>;
  readonly effects: readonly PinEffect<Card>[];
}

export const noEntry: PinEntry<never> = { kind: 'collecting', typed: nothing, deadlineMs: null };

const isPin = (digits: string): boolean => digits.length >= pinLength.min && digits.length <= pinLength.max;
/** Keeps one digit more than the longest PIN, so that a PIN followed by digits is wrong. */
const append = (digits: string, key: string, longest: number): string => (digits + key).slice(0, longest + 1);

function enter<Card>(state: PinEntry<Card>): PinStep<Card> {
  if (state.kind === 'checking') return { state, effects: [] };
  if (state.kind === 'asked') {
    const { card, digits } = state;
    if (!isPin(digits)) return { state: noEntry, effects: [{ kind: 'lapsed', card }] };
    return {
      state: { kind: 'checking', card, deadlineMs: null },
      effects: [{ kind: 'check', by: { card }, pin: digits }],
    };
  }
  const { number, digits } = state.typed;
  if (number === null && digits === '') return { state: noEntry, effects: [] };
  if (number === null || number.length > longestNumber || !isPin(digits))
    return { state: noEntry, effects: [{ kind: 'unclear' }] };
  return {
    state: { kind: 'checking', card: null, deadlineMs: null },
    effects: [{ kind: 'check', by: { number: Number(number) }, pin: digits }],
  };
}

function star<Card>(state: PinEntry<Card>, nowMs: number): PinStep<Card> {
  if (state.kind === 'checking') return { state, effects: [] };
  if (state.kind === 'asked') return { state: noEntry, effects: [{ kind: 'lapsed', card: state.card }] };
  const { number, digits } = state.typed;
  if (number !== null || digits === '') return { state: noEntry, effects: [] };
  const typed = { number: digits, digits: '' };
  return { state: { kind: 'collecting', typed, deadlineMs: nowMs + nextKeyMs }, effects: [] };
}

function digit<Card>(state: PinEntry<Card>, key: string, nowMs: number): PinStep<Card> {
  const deadlineMs = nowMs + nextKeyMs;
  if (state.kind === 'checking') return { state, effects: [] };
  if (state.kind === 'asked')
    return {
      state: { ...state, digits: append(state.digits, key, pinLength.max), deadlineMs },
      effects: [{ kind: 'key' }],
    };
  const { number, digits } = state.typed;
  const longest = number === null ? longestNumber : pinLength.max;
  return {
    state: { kind: 'collecting', typed: { number, digits: append(digits, key, longest) }, deadlineMs },
    effects: [],
  };
}

function keyStep<Card>(state: PinEntry<Card>, key: string, nowMs: number): PinStep<Card> {
  if (key === '#') return enter(state);
  if (key === '*') return star(state, nowMs);
  return /^\d$/.test(key) ? digit(state, key, nowMs) : { state, effects: [] };
}

/** Time is up: digits count as entered, a number without a PIN is dropped. */
function expire<Card>(state: PinEntry<Card>, nowMs: number): PinStep<Card> {
  if (state.deadlineMs === null || nowMs < state.deadlineMs) return { state, effects: [] };
  const isNumberOnly =
    state.kind === 'collecting' && (state.typed.number === null || state.typed.digits === '');
  return isNumberOnly ? { state: noEntry, effects: [] } : enter(state);
}

/** Returns the next state and its effects. A timer is due at `state.deadlineMs`. */
export function stepPinEntry<Card>(
  state: PinEntry<Card>,
  input: PinInput<Card>,
  nowMs: number,
): PinStep<Card> {
  switch (input.kind) {
    case 'keys': {
      let current = state;
      const effects: PinEffect<Card>[] = [];
      for (const key of input.keys) {
        const step = keyStep(current, key, nowMs);
        current = step.state;
        effects.push(...step.effects);
      }
      return { state: current, effects };
    }
    case 'ask': {
      const asked: PinEntry<Card> = {
        kind: 'asked',
        card: input.card,
        digits: '',
        deadlineMs: nowMs + firstKeyMs,
      };
      return { state: asked, effects: [...abandoned(state), { kind: 'ask' }] };
    }
    case 'otherCard':
      return state.kind === 'checking'
        ? { state, effects: [] }
        : { state: noEntry, effects: abandoned(state) };
    case 'checked':
      return { state: state.kind === 'checking' ? noEntry : state, effects: [] };
    case 'timer':
      return expire(state, nowMs);
    default:
      return unreachable(input);
  }
}

const abandoned = <Card>(state: PinEntry<Card>): PinEffect<Card>[] =>
  state.kind === 'asked' ? [{ kind: 'lapsed', card: state.card }] : [];
