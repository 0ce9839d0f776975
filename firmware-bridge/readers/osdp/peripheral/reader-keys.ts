import { assert } from '#hub/kernel/result.ts';
import { installKey, keyBytes, sameBytes } from '../wire/secure-channel.ts';

export interface KeyCandidate {
  readonly source: 'pending' | 'own' | 'install';
  readonly key: Uint8Array;
}

const isKey = (key: Uint8Array | null): boolean => key === null || key.length === keyBytes;

/**
 * Which keys a reader may have, and in which order they are tried. A new key is stored by the caller before the reader
 * gets it; until a handshake has proved which of the two the reader has, both are tried. So there is never a reader whose
 * key nobody knows.
 */
export class ReaderKeys {
  #own: Uint8Array | null;
  #pending: Uint8Array | null;
  #isStored: boolean;
  #isChangeWanted = false;
  #installUntilMs = Number.NEGATIVE_INFINITY;

  constructor(own: Uint8Array | null, pending: Uint8Array | null) {
    assert(isKey(own) && isKey(pending), 'a key of a reader has 16 bytes');
    this.#own = own;
    this.#pending = pending;
    this.#isStored = pending !== null;
  }

  /** The new key first: if KEYSET was lost on its way the old one is still right. The install key only while pairing. */
  candidates(nowMs: number): readonly KeyCandidate[] {
    const candidates: KeyCandidate[] = [];
    if (this.#pending !== null && this.#isStored) candidates.push({ source: 'pending', key: this.#pending });
    if (this.#own !== null) candidates.push({ source: 'own', key: this.#own });
    if (this.isInstalling(nowMs)) candidates.push({ source: 'install', key: installKey });
    return candidates;
  }

  /** Replaces what is known of the reader's key; false when that is what was known. */
  set(key: Uint8Array | null): boolean {
    assert(isKey(key), 'a key of a reader has 16 bytes');
    const isSame = key === null || this.#own === null ? key === this.#own : sameBytes(key, this.#own);
    if (isSame && this.#pending === null) return false;
    this.#own = key;
    this.#pending = null;
    this.#isChangeWanted = false;
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

  requestChange(): void {
    this.#isChangeWanted = true;
  }
  /** In a session under `source` the reader is to get another key. */
  wantsChange(source: KeyCandidate['source']): boolean {
    return source === 'install' || (source === 'own' && this.#isChangeWanted);
  }

  /** The key that the reader is to get, made now unless there is one already. */
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
  /** The pending key once the caller has it on disk, else null. */
  keyToSend(): Uint8Array | null {
    return this.#isStored ? this.#pending : null;
  }

  /** KEYSET was answered, with yes or no: it is not sent again unasked. */
  answered(): void {
    this.#isChangeWanted = false;
  }

  /** A handshake proved that the reader has this key. The key that is now its own for the first time, else null. */
  proved(source: KeyCandidate['source']): Uint8Array | null {
    if (source === 'install') return null;
    const key = source === 'pending' ? this.#pending : null;
    if (key !== null) this.#own = key;
    if (key !== null || !this.#isChangeWanted) this.#pending = null;
    if (key !== null) {
      this.#isChangeWanted = false;
      this.closeInstall();
    }
    return key;
  }
}
