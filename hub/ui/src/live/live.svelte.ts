import { type LiveConnection, type LiveState, openLiveConnection } from './connection.ts';
import type { LiveMessage } from './message.ts';

type Listener = (messages: readonly LiveMessage[]) => void;

/** At most four updates a second reach the page, and none while it is hidden; what came meanwhile comes at once after. */
const updateEveryMs = 250;

class Live {
  state = $state<LiveState>('connecting');
  /** When the hub was last heard, for "as of". */
  asOfMs = $state(Date.now());
  #connection: LiveConnection | undefined;
  #listeners = new Set<Listener>();
  #waiting: LiveMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onSignedOut: () => void = () => undefined;

  /** @param onSignedOut the hub ended the session of this browser */
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

  /** This browser has signed out: its other tabs leave too. */
  tellSignedOut(): void {
    this.#connection?.tellOthers({ topic: 'signedOut', data: {} });
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

  /** Listens until the returned function is called. A message with topic `reset` means: load everything again. */
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
    // While the page is hidden, what piles up is worth no more than one fresh load.
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
