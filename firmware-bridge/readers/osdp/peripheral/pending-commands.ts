import type { Command } from '../wire/commands.ts';
import type { BusAddress } from './bus-address.ts';
import { Outbox } from './outbox.ts';
import type { KeyCandidate, ReaderKeys } from './reader-keys.ts';
import type { ReaderStatus } from './reader-status.ts';

export interface PendingCommandsDeps {
  readonly ledNumber: number;
  readonly keys: ReaderKeys;
  readonly status: ReaderStatus;
  readonly busAddress: BusAddress;
  readonly newKey: () => Uint8Array;
  /** Asks the caller to store the key that the reader is about to get. */
  readonly onKeyPending: (key: Uint8Array) => void;
}

/** Commands and queries that wait besides polls, most urgent first. */
export class PendingCommands {
  readonly outbox: Outbox;
  readonly #deps: PendingCommandsDeps;
  /** The caller was asked in this session to store the new key. */
  #isStoreRequested = false;

  constructor(deps: PendingCommandsDeps) {
    this.#deps = deps;
    this.outbox = new Outbox(deps.ledNumber);
  }

  /** The reader is online. */
  begin(nowMs: number, missing: readonly ('identity' | 'capabilities')[]): void {
    this.outbox.resendAll(nowMs);
    this.#deps.status.begin(nowMs, missing);
  }

  /** The session, if any, is over. */
  end(): void {
    this.outbox.dropPassing();
    this.#deps.busAddress.dropRequest();
    this.#deps.status.forget();
    this.#isStoreRequested = false;
  }

  /** When a command is due in a session under this key; infinity: none. */
  sendDueAtMs(source: KeyCandidate['source'] | null): number {
    return this.#hasChange(source) ? Number.NEGATIVE_INFINITY : this.outbox.dueAtMs();
  }

  /** When a command or a query is due; infinity: none. */
  dueAtMs(source: KeyCandidate['source'] | null): number {
    return Math.min(this.sendDueAtMs(source), this.#deps.status.dueAtMs());
  }

  next(source: KeyCandidate['source'] | null, nowMs: number): Command | null {
    this.#deps.keys.expireChange(nowMs);
    const keySet = this.#wantsOtherKey(source) ? this.keySet() : null;
    return (
      keySet ?? this.#deps.busAddress.startMove() ?? this.outbox.next(nowMs) ?? this.#deps.status.next(nowMs)
    );
  }

  /** Returns KEYSET once the caller has the new key on disk. */
  keySet(): Command | null {
    const { keys, newKey, onKeyPending } = this.#deps;
    const key = keys.prepare(newKey);
    if (keys.keyToSend() === null && !this.#isStoreRequested) {
      this.#isStoreRequested = true;
      onKeyPending(key);
    }
    const stored = keys.keyToSend();
    return stored === null ? null : { kind: 'keySet', key: stored };
  }

  /** The reader refused the command; `forGood`: it will until it reconnects. */
  refused(kind: Command['kind'], forGood: boolean): void {
    if (kind === 'communication') this.#deps.busAddress.moveRefused();
    if (!forGood) return;
    this.outbox.markUnsupported(kind);
    this.#deps.status.markUnsupported(kind);
  }

  #wantsOtherKey(source: KeyCandidate['source'] | null): boolean {
    return source === 'own' && this.#deps.keys.isChangeWanted;
  }

  #hasChange(source: KeyCandidate['source'] | null): boolean {
    const { keys, busAddress } = this.#deps;
    const hasKey = this.#wantsOtherKey(source) && (!this.#isStoreRequested || keys.keyToSend() !== null);
    return busAddress.isMoveRequested || hasKey;
  }
}
