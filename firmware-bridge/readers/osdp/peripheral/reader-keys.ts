import { assert } from '#hub/kernel/result.ts';
import { installKey, keyBytes, sameBytes } from '../wire/secure-channel.ts';

export interface KeyCandidate {
  readonly source: 'pending' | 'own' | 'install';
  readonly key: Uint8Array;
}

const isKey = (key: Uint8Array | null): boolean => key === null || key.length === keyBytes;

/**
 * The keys that a reader may have, in the order to try them. The caller stores a new key before the reader gets it,
 * and until a handshake has proved which of the two the reader has, both are tried. So no reader ever has a key that
 * nobody knows.
 */
export class ReaderKeys {
  #own: Uint8Array | null;
  #pending: Uint8Array | null;
  #isStored: boolean;
  /** Until when another key is wanted for a reader that has one. */
  #changeUntilMs = Number.NEGATIVE_INFINITY;
  #isProofDue = false;
  #installUntilMs = Number.NEGATIVE_INFINITY;

  constructor(own: Uint8Array | null, pending: Uint8Array | null) {
    assert(isKey(own) && isKey(pending), 'a key of a reader has 16 bytes');
    this.#own = own;
    this.#pending = pending;
    this.#isStored = pending !== null;
  }

  /** The new key first: if KEYSET was lost, the old one still fits. The install key only while pairing. */
  candidates(nowMs: number): readonly KeyCandidate[] {
    const candidates: KeyCandidate[] = [];
    if (this.#pending !== null && this.#isStored) candidates.push({ source: 'pending', key: this.#pending });
    if (this.#own !== null) candidates.push({ source: 'own', key: this.#own });
    if (this.isInstalling(nowMs)) candidates.push({ source: 'install', key: installKey });
    return candidates;
  }

  /** Sets the known key of the reader; false if it is unchanged. */
  set(key: Uint8Array | null): boolean {
    assert(isKey(key), 'a key of a reader has 16 bytes');
    const isSame = key === null || this.#own === null ? key === this.#own : sameBytes(key, this.#own);
    if (isSame && this.#pending === null) return false;
    this.#own = key;
    this.#pending = null;
    this.#changeUntilMs = Number.NEGATIVE_INFINITY;
    return true;
  }

  openInstall(untilMs: number): void {
    this.#installUntilMs = untilMs;
  }
  closeInstall(): void {
    this.#installUntilMs = Number.NEGATIVE_INFINITY;
  }
  isInstalling(nowMs: number): boolean {
    return nowMs < this.#installUntilMs;
  }

  requestChange(untilMs: number): void {
    this.#changeUntilMs = untilMs;
  }
  /** The reader that has a key of its own is to get another. */
  get isChangeWanted(): boolean {
    return this.#changeUntilMs > Number.NEGATIVE_INFINITY;
  }
  /** Drops the change when its time is over. */
  expireChange(nowMs: number): void {
    if (nowMs >= this.#changeUntilMs) this.dropChange();
  }

  /** Returns the key that the reader is to get; generates it if there is none yet. */
  prepare(newKey: () => Uint8Array): Uint8Array {
    if (this.#pending !== null) return this.#pending;
    const key = newKey();
    assert(isKey(key), 'a key of a reader has 16 bytes');
    this.#pending = key;
    this.#isStored = false;
    return key;
  }
  stored(key: Uint8Array): void {
    if (this.#pending !== null && sameBytes(this.#pending, key)) this.#isStored = true;
  }
  /** The pending key once it is on disk, else null. */
  keyToSend(): Uint8Array | null {
    return this.#isStored ? this.#pending : null;
  }

  /** KEYSET was answered, or often enough not: the next handshake proves whether the reader took the key. */
  awaitProof(): void {
    this.dropChange();
    this.#isProofDue = true;
  }
  /** The handshake under way proved this key. True: so the reader did not take the new one. */
  provesRefusal(source: KeyCandidate['source']): boolean {
    const wasDue = this.#isProofDue;
    this.#isProofDue = false;
    return wasDue && source === 'own';
  }

  /** The key is not wanted any more, or was refused: it is not sent again by itself. */
  dropChange(): void {
    this.#changeUntilMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * A handshake proved that the reader has this key. Returns the key if it has just become the reader's own, else
   * null.
   */
  proved(source: KeyCandidate['source']): Uint8Array | null {
    if (source === 'install') return null;
    const key = source === 'pending' ? this.#pending : null;
    if (key !== null) this.#own = key;
    if (key !== null || !this.isChangeWanted) this.#pending = null;
    if (key !== null) {
      this.dropChange();
      this.closeInstall();
    }
    return key;
  }
}
