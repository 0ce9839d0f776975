import { type LiveConnection, type LiveState, openLiveConnection } from './connection.ts';
import type { LiveMessage } from './message.ts';

type Listener = (messages: readonly LiveMessage[]) => void;

/** Limits updates to four a second; while the page is hidden they are held back until it is visible again. */
const updateEveryMs = 250;

class Live {
  state = $state<LiveState>('connecting');
  /** Time of the last message, for "as of". */
  asOfMs = $state(Date.now());
  #connection: LiveConnection | undefined;
  #listeners = new Set<Listener>();
  #waiting: LiveMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onSignedOut: () => void = () => undefined;

  /** @param onSignedOut called when the hub ends the session */
  open(onSignedOut: () => void): void {
    if (this.#connection) return;
    this.#onSignedOut = onSignedOut;
    this.#connection = openLiveConnection(
      (message) => this.#take(message),
      (state) => {
        this.state = state;
        if (state === 'live') this.asOfMs = Date.now();
      },
    );
    document.addEventListener('visibilitychange', this.#onVisible);
  }

  /** Signs out the other tabs of this browser. */
  broadcastSignOut(): void {
    this.#connection?.broadcast({ topic: 'signedOut', data: {} });
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    this.state = 'connecting';
    document.removeEventListener('visibilitychange', this.#onVisible);
  }

  /** Subscribes until the returned function is called. Topic `reset` means that everything must be reloaded. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #onVisible = (): void => {
    if (!document.hidden) this.#deliver();
  };

  #take(message: LiveMessage): void {
    this.asOfMs = Date.now();
    if (message.topic === 'signedOut') {
      this.#onSignedOut();
      return;
    }
    // A hidden page needs one reload rather than a long backlog.
    if (document.hidden && this.#waiting.length >= 200) this.#waiting = [{ topic: 'reset', data: {} }];
    this.#waiting.push(message);
    if (!document.hidden) this.#timer ??= setTimeout(() => this.#deliver(), updateEveryMs);
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const messages = this.#waiting;
    this.#waiting = [];
    if (messages.length > 0) for (const listener of this.#listeners) listener(messages);
  }
}

export const live = new Live();
