import { randomBytes } from 'node:crypto';
import type { Later } from '#bridge/ports.ts';
import type { PinSecret } from '#hub/domains/access/policy-record-schema.ts';
import { isClockTrusted } from '#hub/domains/access/rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { Clock } from '#hub/platform/clock.ts';
import { pinHashBytes, pinSaltBytes } from '#hub/platform/pin-hash.ts';
import type { PinChecks, PinJob } from './checks.ts';
import { noEntry, type PinEffect, type PinEntry, type PinInput, stepPinEntry } from './entry.ts';
import type { LockoutFile } from './lockout-file.ts';
import {
  countWrongPin,
  fromStored,
  type Lockout,
  lockLeftMs,
  type Moment,
  noLockout,
  toStored,
} from './lockout-rules.ts';

/** A card that the door asked a PIN of. */
export interface AskedCard {
  readonly read: CardRead;
  /** Hex. */
  readonly digest: string;
  readonly memberId: string;
}
export type PinBy = { readonly card: AskedCard } | { readonly number: number };

/** `unchecked`: it could not be looked at; too many wait, or what it was compared with has changed meanwhile. */
export type PinOutcome = 'right' | 'duress' | 'wrong' | 'unchecked';

export interface PinDeskDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly checks: PinChecks;
  readonly file: Pick<LockoutFile, 'stored' | 'save'>;
  /** The member whose number was typed; null: nobody. */
  readonly memberOf: (number: number) => string | null;
  readonly secretOf: (memberId: string) => PinSecret | null;
  /** Whether the door takes a number and PIN now; where it does not, nothing of them is looked at. */
  readonly takesNumbers: (readerKey: string) => boolean;
  /** Lamp and buzzer ask, or the lamp shows that a key was taken. */
  readonly show: (readerKey: string, what: 'ask' | 'key' | 'unclear') => void;
  readonly onLapsed: (readerKey: string, card: AskedCard) => void;
  /** What was typed has its outcome. A wrong one is on the disk by then. */
  readonly onOutcome: (readerKey: string, by: PinBy, outcome: PinOutcome) => void;
  /** A number came that is not looked at: the door takes none, or the reader takes no PINs. */
  readonly onNotTaken: (readerKey: string, number: number) => void;
  /** From now on the reader takes no PINs for so long. */
  readonly onLocked: (readerKey: string, forMs: number) => void;
  /** The list of those that take none has changed. */
  readonly onChange: () => void;
  readonly onFault: (error: unknown) => void;
}

interface Place {
  entry: PinEntry<AskedCard>;
  cancelTimer: (() => void) | null;
  lockout: Lockout;
  cancelUnlock: (() => void) | null;
}

/** A number that nobody has, and a member without a PIN, cost the same work as a wrong PIN. */
const nobody: PinJob['secret'] = {
  salt: randomBytes(pinSaltBytes),
  hash: randomBytes(pinHashBytes),
  duressHash: randomBytes(pinHashBytes),
};

const isSame = (one: PinSecret | null, other: PinSecret | null): boolean =>
  one?.credentialId === other?.credentialId &&
  Buffer.from(one?.salt ?? []).equals(Buffer.from(other?.salt ?? []));

/** The keypads of all readers: what is typed, what is being checked, and which reader takes no PINs for a while. */
export class PinDesk {
  readonly #deps: PinDeskDeps;
  readonly #places = new Map<string, Place>();
  #stopped = false;

  constructor(readerKeys: readonly string[], deps: PinDeskDeps) {
    this.#deps = deps;
    const now = this.#moment();
    for (const key of readerKeys) {
      const stored = deps.file.stored[key];
      const lockout = stored === undefined ? noLockout : fromStored(stored, now);
      this.#places.set(key, { entry: noEntry, cancelTimer: null, lockout, cancelUnlock: null });
    }
  }

  /** Of the locks that a restart found it is told when they end. */
  start(): void {
    for (const place of this.#places.values()) this.#noteLock(place);
  }

  #moment(): Moment {
    const { clock } = this.#deps;
    return {
      monotonicMs: clock.monotonicMs(),
      wallMs: clock.nowMs(),
      timeKnown: isClockTrusted(clock.trust()),
    };
  }

  isLocked(readerKey: string): boolean {
    const lockout = this.#places.get(readerKey)?.lockout ?? noLockout;
    return lockLeftMs(lockout, this.#deps.clock.monotonicMs()) > 0;
  }

  /** Whether this card's PIN is being waited for or checked: held to the reader, it is read again and again. */
  isBusyWith(readerKey: string, digest: string): boolean {
    const entry = this.#places.get(readerKey)?.entry;
    return entry !== undefined && entry.kind !== 'collecting' && entry.card?.digest === digest;
  }

  /** One check at a time at a reader: another card has to come again. */
  isChecking(readerKey: string): boolean {
    return this.#places.get(readerKey)?.entry.kind === 'checking';
  }

  ask(readerKey: string, card: AskedCard): void {
    this.#step(readerKey, { kind: 'ask', card });
  }

  keys(readerKey: string, keys: string): void {
    this.#step(readerKey, { kind: 'keys', keys });
  }

  /** Another card was decided without a PIN; whoever was asked before starts over. */
  otherCard(readerKey: string): void {
    this.#step(readerKey, { kind: 'otherCard' });
  }

  #step(readerKey: string, input: PinInput<AskedCard>): void {
    const place = this.#places.get(readerKey);
    if (place === undefined || this.#stopped) return;
    const nowMs = this.#deps.clock.monotonicMs();
    const { state, effects } = stepPinEntry(place.entry, input, nowMs);
    place.entry = state;
    place.cancelTimer?.();
    place.cancelTimer =
      state.deadlineMs === null
        ? null
        : this.#deps.later(state.deadlineMs - nowMs, () => this.#step(readerKey, { kind: 'timer' }));
    for (const effect of effects) this.#run(readerKey, effect);
  }

  #run(readerKey: string, effect: PinEffect<AskedCard>): void {
    switch (effect.kind) {
      case 'ask':
      case 'key':
      case 'unclear':
        this.#deps.show(readerKey, effect.kind);
        return;
      case 'lapsed':
        this.#deps.onLapsed(readerKey, effect.card);
        return;
      case 'check':
        this.#check(readerKey, effect.by, effect.pin);
    }
  }

  #check(readerKey: string, by: PinBy, pin: string): void {
    const { takesNumbers, onNotTaken, memberOf, secretOf, checks, onFault } = this.#deps;
    if ('number' in by && (!takesNumbers(readerKey) || this.isLocked(readerKey))) {
      this.#step(readerKey, { kind: 'checked' });
      onNotTaken(readerKey, by.number);
      return;
    }
    const memberId = 'card' in by ? by.card.memberId : memberOf(by.number);
    const secretNow = (): PinSecret | null => (memberId === null ? null : secretOf(memberId));
    const secret = secretNow();
    checks
      .check({ pin, secret: secret ?? nobody })
      .then(async (verdict) => {
        // Revoked or replaced while it was looked at: neither right nor a wrong try.
        const outcome = verdict === null || !isSame(secret, secretNow()) ? 'unchecked' : verdict;
        const locked = outcome === 'wrong' ? await this.#countWrong(readerKey) : null;
        if (this.#stopped) return;
        if (outcome === 'right' || outcome === 'duress') this.#forget(readerKey);
        this.#step(readerKey, { kind: 'checked' });
        this.#deps.onOutcome(readerKey, by, outcome);
        if (locked !== null) this.#tellLock(readerKey, locked);
      })
      .catch(onFault);
  }

  /** Counted and on the disk before anybody learns that it was wrong. The lock that it led to, or null. */
  async #countWrong(readerKey: string): Promise<Place | null> {
    const place = this.#places.get(readerKey);
    if (place === undefined) return null;
    place.lockout = countWrongPin(place.lockout, this.#deps.clock.monotonicMs());
    await this.#save();
    return this.isLocked(readerKey) ? place : null;
  }

  #forget(readerKey: string): void {
    const place = this.#places.get(readerKey);
    if (place === undefined || place.lockout === noLockout) return;
    place.lockout = noLockout;
    // A restart that still finds it is only stricter.
    void this.#save();
  }

  async #save(): Promise<void> {
    const now = this.#moment();
    const counted = [...this.#places].filter(([, { lockout }]) => lockout !== noLockout);
    try {
      await this.#deps.file.save(
        Object.fromEntries(counted.map(([key, { lockout }]) => [key, toStored(lockout, now)])),
      );
    } catch (error) {
      // It counts in memory, and no answer is better than one: the PIN was wrong.
      this.#deps.onFault(error);
    }
  }

  #tellLock(readerKey: string, place: Place): void {
    const leftMs = this.#noteLock(place);
    this.#deps.onLocked(readerKey, leftMs);
  }

  #noteLock(place: Place): number {
    const leftMs = lockLeftMs(place.lockout, this.#deps.clock.monotonicMs());
    place.cancelUnlock?.();
    place.cancelUnlock = leftMs === 0 ? null : this.#deps.later(leftMs, () => this.#deps.onChange());
    return leftMs;
  }

  /** Readers that take no PINs now, and for how long yet. */
  locked(): { readonly readerKey: string; readonly leftMs: number }[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#places]
      .map(([readerKey, { lockout }]) => ({ readerKey, leftMs: lockLeftMs(lockout, nowMs) }))
      .filter(({ leftMs }) => leftMs > 0);
  }

  stop(): void {
    this.#stopped = true;
    for (const place of this.#places.values()) {
      place.cancelTimer?.();
      place.cancelUnlock?.();
      place.entry = noEntry;
    }
  }
}
