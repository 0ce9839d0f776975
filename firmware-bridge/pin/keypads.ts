import { randomBytes } from 'node:crypto';
import type { Later } from '#bridge/ports.ts';
import type { PinSecret } from '#hub/domains/access/policy/record-schema.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { isClockTrusted } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
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

/** A card whose PIN the door asked for. */
export interface AskedCard {
  readonly read: CardRead;
  /** Hex. */
  readonly digest: string;
  readonly memberId: string;
}
export type PinBy = { readonly card: AskedCard } | { readonly number: number };

/** `unchecked`: the queue was full, or the secret has changed in the meantime. */
export type PinOutcome = 'right' | 'duress' | 'wrong' | 'unchecked';

export interface KeypadsDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly checks: PinChecks;
  readonly file: Pick<LockoutFile, 'stored' | 'save'>;
  /** The member with this number; null: nobody. */
  readonly memberOf: (number: number) => string | null;
  readonly secretOf: (memberId: string) => PinSecret | null;
  /** Whether the door takes number and PIN now; if not, both are ignored. */
  readonly takesNumbers: (readerKey: string) => boolean;
  /** Shows that a PIN is asked for, that a key was taken, or that the input is no PIN. */
  readonly show: (readerKey: string, what: 'ask' | 'key' | 'unclear') => void;
  readonly onLapsed: (readerKey: string, card: AskedCard) => void;
  /** The outcome of an entry. A wrong PIN is on the disk by then. */
  readonly onOutcome: (readerKey: string, by: PinBy, outcome: PinOutcome) => void;
  /** A number was entered and ignored: the door takes none, or the reader is locked out. */
  readonly onIgnoredNumber: (readerKey: string, number: number) => void;
  /** The reader is locked out for this long. */
  readonly onLocked: (readerKey: string, forMs: number) => void;
  /** The list of locked-out readers has changed. */
  readonly onChange: () => void;
  readonly onFault: (error: unknown) => void;
}

interface Keypad {
  entry: PinEntry<AskedCard>;
  cancelTimer: (() => void) | null;
  lockout: Lockout;
  cancelUnlock: (() => void) | null;
}

/** An unknown number, and a member without a PIN, cost the same work as a wrong PIN. */
const dummySecret: PinJob['secret'] = {
  salt: randomBytes(pinSaltBytes),
  hash: randomBytes(pinHashBytes),
  duressHash: randomBytes(pinHashBytes),
};

const isSame = (one: PinSecret | null, other: PinSecret | null): boolean =>
  one?.credentialId === other?.credentialId &&
  Buffer.from(one?.salt ?? []).equals(Buffer.from(other?.salt ?? []));

/** Handles the keypads of all readers: collects keys, has PINs checked, and locks readers out after wrong ones. */
export class Keypads {
  readonly #deps: KeypadsDeps;
  readonly #keypads = new Map<string, Keypad>();
  #stopped = false;

  constructor(readerKeys: readonly string[], deps: KeypadsDeps) {
    this.#deps = deps;
    const now = this.#moment();
    for (const key of readerKeys) {
      const stored = deps.file.stored[key];
      const lockout = stored === undefined ? noLockout : fromStored(stored, now);
      this.#keypads.set(key, { entry: noEntry, cancelTimer: null, lockout, cancelUnlock: null });
    }
  }

  /** Arms the end of lock-outs that survived a restart. */
  start(): void {
    for (const keypad of this.#keypads.values()) this.#noteLock(keypad);
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
    const lockout = this.#keypads.get(readerKey)?.lockout ?? noLockout;
    return lockLeftMs(lockout, this.#deps.clock.monotonicMs()) > 0;
  }

  /** Whether this card's PIN is awaited or being checked: a card held to the reader is read repeatedly. */
  isBusyWith(readerKey: string, digest: string): boolean {
    const entry = this.#keypads.get(readerKey)?.entry;
    return entry !== undefined && entry.kind !== 'collecting' && entry.card?.digest === digest;
  }

  /** One check at a time per reader: another card has to be presented again. */
  isChecking(readerKey: string): boolean {
    return this.#keypads.get(readerKey)?.entry.kind === 'checking';
  }

  ask(readerKey: string, card: AskedCard): void {
    this.#step(readerKey, { kind: 'ask', card });
  }

  keys(readerKey: string, keys: string): void {
    this.#step(readerKey, { kind: 'keys', keys });
  }

  /** Another card was decided without a PIN; the pending entry is dropped. */
  otherCard(readerKey: string): void {
    this.#step(readerKey, { kind: 'otherCard' });
  }

  #step(readerKey: string, input: PinInput<AskedCard>): void {
    const keypad = this.#keypads.get(readerKey);
    if (keypad === undefined || this.#stopped) return;
    const nowMs = this.#deps.clock.monotonicMs();
    const { state, effects } = stepPinEntry(keypad.entry, input, nowMs);
    keypad.entry = state;
    keypad.cancelTimer?.();
    keypad.cancelTimer =
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
    const { takesNumbers, onIgnoredNumber, memberOf, secretOf, checks, onFault } = this.#deps;
    if ('number' in by && (!takesNumbers(readerKey) || this.isLocked(readerKey))) {
      this.#step(readerKey, { kind: 'checked' });
      onIgnoredNumber(readerKey, by.number);
      return;
    }
    const memberId = 'card' in by ? by.card.memberId : memberOf(by.number);
    const secretNow = (): PinSecret | null => (memberId === null ? null : secretOf(memberId));
    const secret = secretNow();
    checks
      .check({ pin, secret: secret ?? dummySecret })
      .then(async (verdict) => {
        // Revoked or replaced during the check: neither right nor a wrong try.
        const outcome = verdict === null || !isSame(secret, secretNow()) ? 'unchecked' : verdict;
        const locked = outcome === 'wrong' ? await this.#countWrong(readerKey) : null;
        if (this.#stopped) return;
        if (outcome === 'right' || outcome === 'duress') this.#forget(readerKey);
        this.#step(readerKey, { kind: 'checked' });
        this.#deps.onOutcome(readerKey, by, outcome);
        if (locked !== null) this.#reportLock(readerKey, locked);
      })
      .catch(onFault);
  }

  /**
   * Counts a wrong PIN and writes it to the disk before anybody learns of it. Returns the keypad if that locks it
   * out, else null.
   */
  async #countWrong(readerKey: string): Promise<Keypad | null> {
    const keypad = this.#keypads.get(readerKey);
    if (keypad === undefined) return null;
    keypad.lockout = countWrongPin(keypad.lockout, this.#deps.clock.monotonicMs());
    await this.#save();
    return this.isLocked(readerKey) ? keypad : null;
  }

  #forget(readerKey: string): void {
    const keypad = this.#keypads.get(readerKey);
    if (keypad === undefined || keypad.lockout === noLockout) return;
    keypad.lockout = noLockout;
    // If a restart still finds the count, it is only stricter.
    void this.#save();
  }

  async #save(): Promise<void> {
    const now = this.#moment();
    const counted = [...this.#keypads].filter(([, { lockout }]) => lockout !== noLockout);
    try {
      await this.#deps.file.save(
        Object.fromEntries(counted.map(([key, { lockout }]) => [key, toStored(lockout, now)])),
      );
    } catch (error) {
      // It counts in memory, and the answer is due: the PIN was wrong.
      this.#deps.onFault(error);
    }
  }

  #reportLock(readerKey: string, keypad: Keypad): void {
    const leftMs = this.#noteLock(keypad);
    this.#deps.onLocked(readerKey, leftMs);
  }

  #noteLock(keypad: Keypad): number {
    const leftMs = lockLeftMs(keypad.lockout, this.#deps.clock.monotonicMs());
    keypad.cancelUnlock?.();
    keypad.cancelUnlock = leftMs === 0 ? null : this.#deps.later(leftMs, () => this.#deps.onChange());
    return leftMs;
  }

  /** Locked-out readers, and their remaining time. */
  locked(): { readonly readerKey: string; readonly leftMs: number }[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#keypads]
      .map(([readerKey, { lockout }]) => ({ readerKey, leftMs: lockLeftMs(lockout, nowMs) }))
      .filter(({ leftMs }) => leftMs > 0);
  }

  stop(): void {
    this.#stopped = true;
    for (const keypad of this.#keypads.values()) {
      keypad.cancelTimer?.();
      keypad.cancelUnlock?.();
      keypad.entry = noEntry;
    }
  }
}
