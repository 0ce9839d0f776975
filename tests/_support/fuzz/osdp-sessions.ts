import { hexToBits, parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { decodeFrame, mark } from '#tests/_support/osdp/pd-frame.ts';
import { VirtualBus, type VirtualBusSetup } from '#tests/_support/osdp/virtual-bus.ts';

/*
 * Sessions of the panel's bus with a simulated reader in which one card is presented, each with one thing done to one frame
 * of it. Whatever it is, no other card is read, none twice, and soon after it the reader is online.
 */

type Direction = 'command' | 'reply';
type Bytes = Uint8Array;

/** What becomes of the nth frame of one direction. */
export interface Damage {
  readonly direction: Direction;
  readonly nth: number;
  readonly what: string;
  readonly apply: (frame: Bytes) => readonly Bytes[];
  /** It may not be found by any check. */
  readonly isByChance?: true;
  /** Frames that were really sent: in a plain session nothing tells a card's from a second card. */
  readonly isReplay?: true;
}

export interface RecordedFrame {
  readonly direction: Direction;
  readonly nth: number;
  readonly bytes: Bytes;
}

function cardOf(text: string): CardRead {
  const parsed = parseCardText(text);
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  return parsed.value;
}
const card = cardOf('w26:123:4567');
/** Of another session, from which frames are played into this one. */
const otherCard = cardOf('w26:200:31337');

const connectedMs = 300;
const sessionMs = 800;
/** So soon the reader is online again. */
export const backWithinMs = 2000;
const stepMs = 50;
/** It stays so. */
const polledMs = 200;
const answersWhenBack = 4;

interface Kind {
  readonly name: string;
  readonly secure: boolean;
}
export const sessionKinds: readonly Kind[] = [
  { name: 'secure', secure: true },
  { name: 'plain', secure: false },
];

function startSession(
  { secure }: Kind,
  seed: number,
  hooks: Pick<VirtualBusSetup, 'onCommand' | 'onReply'>,
): VirtualBus {
  return new VirtualBus({ readers: 1, baudRate: 115_200, secure, seed, ...hooks });
}

function present(line: VirtualBus, { hex, bits }: CardRead): void {
  line.peripherals[0]?.presentCard(hexToBits(hex, bits).join(''), 1);
  line.bus.signal('reader-0', { led: 'granted' });
}

const seed = 11;

/** All frames of an undamaged session, in the order of each direction. */
export function recordSession(kind: Kind, withCard = card, withSeed = seed): RecordedFrame[] {
  const frames: RecordedFrame[] = [];
  const note =
    (direction: Direction) =>
    (bytes: Bytes, nth: number): readonly Bytes[] => {
      frames.push({ direction, nth, bytes });
      return [bytes];
    };
  const line = startSession(kind, withSeed, { onCommand: note('command'), onReply: note('reply') });
  line.clock.advance(connectedMs);
  present(line, withCard);
  line.clock.advance(sessionMs - connectedMs);
  if (line.reads.length !== 1) throw new Error('the card was not read');
  return frames;
}

const flipped = (bytes: Bytes, at: number, bit: number): Bytes =>
  bytes.map((byte, index) => (index === at ? byte ^ (1 << bit) : byte));

const withoutMark = (bytes: Bytes): Bytes => (bytes[0] === mark ? bytes.subarray(1) : bytes);

/** The session is the same up to this frame, so the frame is known. */
function changed({ direction, nth, bytes }: RecordedFrame, what: string, now: Bytes): Damage {
  const isWhole = withoutMark(now).length === withoutMark(bytes).length;
  const isFrame =
    decodeFrame(now).kind === 'frame' && isWhole && !Buffer.from(withoutMark(now)).equals(withoutMark(bytes));
  return { direction, nth, what, apply: () => [now], ...(isFrame ? { isByChance: true } : {}) };
}

/** Every bit of the frame flipped, every byte of it dropped, itself lost and doubled. */
function* damagesOf(frame: RecordedFrame): Generator<Damage> {
  const { direction, nth, bytes } = frame;
  const at = { direction, nth };
  for (const index of bytes.keys()) {
    for (let bit = 0; bit < 8; bit += 1)
      yield changed(frame, `bit ${bit} of byte ${index}`, flipped(bytes, index, bit));
    yield changed(
      frame,
      `without byte ${index}`,
      bytes.filter((_, each) => each !== index),
    );
  }
  yield { ...at, what: 'lost', apply: () => [] };
  yield { ...at, what: 'twice', apply: (each) => [each, each] };
}

/** Every frame of a recording instead of, before and behind this one. */
function* replaysOf(
  { direction, nth }: RecordedFrame,
  recording: readonly RecordedFrame[],
  from: string,
): Generator<Damage> {
  const at = { direction, nth, isReplay: true } as const;
  for (const other of recording) {
    const what = `${from} ${other.direction} ${other.nth}`;
    const { bytes } = other;
    yield { ...at, what: `instead ${what}`, apply: () => [bytes] };
    yield { ...at, what: `behind ${what}`, apply: (frame) => [bytes, frame] };
    yield { ...at, what: `before ${what}`, apply: (frame) => [frame, bytes] };
  }
}

/**
 * All that is done to sessions of one kind. Frames of another session, with another card in it, are played into secure ones
 * only: in a plain one nothing tells them apart.
 */
export function* allDamages(kind: Kind): Generator<Damage> {
  const frames = recordSession(kind);
  const others = kind.secure ? recordSession(kind, otherCard, seed + 1) : [];
  for (const frame of frames) {
    yield* damagesOf(frame);
    yield* replaysOf(frame, frames, 'own');
    yield* replaysOf(frame, others, "another's");
  }
}

export interface SessionOutcome {
  /** What was not as it must be; null = nothing. */
  readonly problem: string | null;
  /** Virtual ms from the damage until the reader was online and had answered some polls, as seen after the session. */
  readonly backMs: number;
  readonly cardRead: boolean;
}

/** Plays the session with one damage in it. */
export function playDamaged(kind: Kind, damage: Damage): SessionOutcome {
  let damagedMs: number | null = null;
  const harm =
    (direction: Direction) =>
    (bytes: Bytes, nth: number, atMs: number): readonly Bytes[] => {
      if (damage.direction !== direction || damage.nth !== nth) return [bytes];
      damagedMs = atMs;
      return damage.apply(bytes);
    };
  const line = startSession(kind, seed, { onCommand: harm('command'), onReply: harm('reply') });
  line.clock.advance(connectedMs);
  present(line, card);
  line.clock.advance(sessionMs - connectedMs);
  const fromMs: number = damagedMs ?? sessionMs;
  // A reader counts as online until it is noticed that it is not: answers since show that it is.
  const goodFrames = line.goodFrames;
  const isBack = (): boolean => line.isOnline && line.goodFrames >= goodFrames + answersWhenBack;
  while (!isBack() && line.clock.now() - fromMs < backWithinMs) line.clock.advance(stepMs);
  const backMs = line.clock.now() - fromMs;
  const wasBack = isBack();
  line.clock.advance(polledMs);
  const where = `${kind.name}, ${damage.direction} ${damage.nth}, ${damage.what}`;
  const wrong = line.reads.find(({ hex, bits }) => hex !== card.hex || bits !== card.bits);
  const stays = wasBack && line.isOnline;
  const mayRepeat = !kind.secure && damage.isReplay === true;
  const problems = [
    ...(wrong === undefined ? [] : [`card ${wrong.hex} was read`]),
    ...(line.reads.length <= 1 || mayRepeat ? [] : ['the card was read twice']),
    ...(stays ? [] : [`not online within ${backWithinMs} ms`]),
  ];
  const problem = problems.length === 0 ? null : `${where}: ${problems.join(', ')}`;
  return { problem, backMs, cardRead: line.reads.length > 0 };
}

export interface SessionsAccount {
  readonly kind: string;
  readonly cases: number;
  readonly seconds: number;
  readonly problems: readonly string[];
  readonly slowestBackMs: number;
  /** Damages that no check can find. */
  readonly byChance: number;
  readonly cardsLost: number;
}

/** Every `stride`th of all damages. */
export function playSessions(kind: Kind, stride = 1): SessionsAccount {
  const startMs = performance.now();
  const problems: string[] = [];
  let cases = 0;
  let seen = 0;
  let slowestBackMs = 0;
  let byChance = 0;
  let cardsLost = 0;
  for (const damage of allDamages(kind)) {
    seen += 1;
    if (seen % stride !== 0) continue;
    cases += 1;
    let outcome: SessionOutcome;
    try {
      outcome = playDamaged(kind, damage);
    } catch (error) {
      const where = `${kind.name}, ${damage.direction} ${damage.nth}, ${damage.what}`;
      outcome = { problem: `${where}: ${String(error)}`, backMs: 0, cardRead: false };
    }
    if (outcome.problem !== null) problems.push(outcome.problem);
    if (damage.isByChance === true) byChance += 1;
    slowestBackMs = Math.max(slowestBackMs, outcome.backMs);
    if (!outcome.cardRead) cardsLost += 1;
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { kind: kind.name, cases, seconds, problems, slowestBackMs, byChance, cardsLost };
}
