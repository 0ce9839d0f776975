import type { Command } from '../wire/messages.ts';
import type { Whereabouts } from './bus-address.ts';
import { Outbox } from './outbox.ts';
import type { KeyCandidate, ReaderKeys } from './reader-keys.ts';
import type { ReaderStatus } from './reader-status.ts';

export interface ErrandsDeps {
  readonly ledNumber: number;
  readonly keys: ReaderKeys;
  readonly status: ReaderStatus;
  readonly place: Whereabouts;
  readonly newKey: () => Uint8Array;
  /** The caller is to store the key that the reader is about to get. */
  readonly onKeyPending: (key: Uint8Array) => void;
}

/** What there is to tell a reader in a session and to ask it, besides its turns to speak; the most urgent first. */
export class Errands {
  readonly outbox: Outbox;
  readonly #deps: ErrandsDeps;
  /** The caller was asked in this session to store the new key. */
  #hasAskedToStore = false;

  constructor(deps: ErrandsDeps) {
    this.#deps = deps;
    this.outbox = new Outbox(deps.ledNumber);
  }

  /** The reader is online. */
  begin(nowMs: number): void {
    this.outbox.resendAll(nowMs);
    this.#deps.status.begin(nowMs);
  }

  /** The session, if there was one, is over. */
  end(): void {
    this.outbox.dropPassing();
    this.#deps.place.forgetWish();
    this.#deps.status.forget();
    this.#hasAskedToStore = false;
  }

  /** When there is something to tell it in a session under this key; infinity = nothing. */
  tellAtMs(source: KeyCandidate['source'] | null): number {
    return this.#hasChange(source) ? Number.NEGATIVE_INFINITY : this.outbox.dueAtMs();
  }

  /** When there is something to tell it or to ask it. */
  dueAtMs(source: KeyCandidate['source'] | null): number {
    return Math.min(this.tellAtMs(source), this.#deps.status.dueAtMs());
  }

  next(source: KeyCandidate['source'] | null, nowMs: number): Command | null {
    const keySet = this.#wantsOtherKey(source) ? this.keySet() : null;
    return keySet ?? this.#deps.place.start() ?? this.outbox.next(nowMs) ?? this.#deps.status.next(nowMs);
  }

  /** KEYSET as soon as the caller has the new key on disk. */
  keySet(): Command | null {
    const { keys, newKey, onKeyPending } = this.#deps;
    const key = keys.prepare(newKey);
    if (keys.keyToSend() === null && !this.#hasAskedToStore) {
      this.#hasAskedToStore = true;
      onKeyPending(key);
    }
    const stored = keys.keyToSend();
    return stored === null ? null : { kind: 'keySet', key: stored };
  }

  /** The reader did not do it; `forGood`: nor will it until it is connected again. */
  refused(kind: Command['kind'], forGood: boolean): void {
    if (kind === 'communication') this.#deps.place.refused();
    if (!forGood) return;
    this.outbox.markUnsupported(kind);
    this.#deps.status.markUnsupported(kind);
  }

  #wantsOtherKey(source: KeyCandidate['source'] | null): boolean {
    return source === 'own' && this.#deps.keys.wantsChange('own');
  }

  #hasChange(source: KeyCandidate['source'] | null): boolean {
    const { keys, place } = this.#deps;
    const hasKey = this.#wantsOtherKey(source) && (!this.#hasAskedToStore || keys.keyToSend() !== null);
    return place.isMoveWanted || hasKey;
  }
}
