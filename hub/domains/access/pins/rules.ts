import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

export const pinLength = { min: 4, max: 8 } as const;

export interface PinRefusal extends Refusal<'pinWeak' | 'pinTooAlike'> {
  readonly errors: readonly { readonly pointer: '/body/pin' | '/body/duressPin'; readonly message: string }[];
}

const isRepetition = (pin: string): boolean =>
  [1, 2, 3, 4].some(
    (length) =>
      pin.length % length === 0 &&
      pin.length > length &&
      pin === pin.slice(0, length).repeat(pin.length / length),
  );

/** Each digit one more, or one less, than the one before: 1234, 8765, 7890. */
const isSequence = (pin: string): boolean =>
  [1, 9].some((step) =>
    Array.from(pin).every(
      (digit, index) => index === 0 || Number(digit) === (Number(pin[index - 1]) + step) % 10,
    ),
  );

/** Down the middle of a keypad and back up; across, and its corners. */
const wellKnown = new Set(['2580', '0852', '1379', '1397', '159753', '147258', '258456']);

/** Why a PIN is the first that somebody would try; null: it is not. */
function weaknessOf(pin: string, memberNumber: number): string | null {
  if (isRepetition(pin)) return 'repeats itself: take digits that do not';
  if (isSequence(pin)) return 'is a run of digits: mix them';
  if (wellKnown.has(pin)) return 'is a pattern on the keypad that everybody tries: take another';
  if (pin === String(memberNumber).padStart(pin.length, '0'))
    return "is the member's number, which stands on their card: take another";
  return null;
}

/** Whether one slip of a finger makes one of the other: a digit changed, left out, added, or two exchanged. */
export function isOneSlipAway(one: string, other: string): boolean {
  const [short, long] = one.length <= other.length ? [one, other] : [other, one];
  if (long.length - short.length > 1) return false;
  const differing = (left: string, right: string): number[] =>
    Array.from(left).flatMap((digit, index) => (digit === right[index] ? [] : [index]));
  if (short.length < long.length)
    return Array.from(long).some((_, index) => long.slice(0, index) + long.slice(index + 1) === short);
  const [first, second, ...more] = differing(one, other);
  if (first === undefined || second === undefined) return true;
  return (
    more.length === 0 && second === first + 1 && one[first] === other[second] && one[second] === other[first]
  );
}

/** Whether a member may have this PIN, and this duress PIN beside it. */
export function decidePin(
  pin: string,
  duressPin: string | null,
  memberNumber: number,
): Result<null, PinRefusal> {
  const weakness = weaknessOf(pin, memberNumber);
  if (weakness !== null)
    return refuse({ code: 'pinWeak', errors: [{ pointer: '/body/pin', message: weakness }] });
  if (duressPin === null) return ok(null);
  const duressWeakness = weaknessOf(duressPin, memberNumber);
  if (duressWeakness !== null)
    return refuse({ code: 'pinWeak', errors: [{ pointer: '/body/duressPin', message: duressWeakness }] });
  if (isOneSlipAway(pin, duressPin))
    return refuse({
      code: 'pinTooAlike',
      errors: [
        {
          pointer: '/body/duressPin',
          message: 'is the PIN or one slip of a finger away from it: let them differ in two digits',
        },
      ],
    });
  return ok(null);
}
