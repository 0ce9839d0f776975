import { type LiveMessage, liveTopics } from './message.ts';

/**
 * State of the live connection, which all tabs share: HTTP/1.1 allows six connections per host, so one per tab would
 * starve the pages. The tab that holds the lock listens to the hub and forwards everything to the others; when it
 * closes, another tab takes over and reloads everything.
 */
export type LiveState = 'connecting' | 'live' | 'offline';

type TabMessage =
  | { readonly kind: 'message'; readonly message: LiveMessage }
  | { readonly kind: 'state'; readonly state: LiveState }
  | { readonly kind: 'ask' };

const lockName = 'makrcave-live';

export interface LiveConnection {
  /** Sends a message to the other tabs without waiting for the hub. */
  broadcast(message: LiveMessage): void;
  close(): void;
}

/**
 * Starts listening.
 * @param onMessage receives every event, `reset` after missed ones, and `signedOut` at the end of the session
 */
export function openLiveConnection(
  onMessage: (message: LiveMessage) => void,
  onState: (state: LiveState) => void,
): LiveConnection {
  const channel = new BroadcastChannel(lockName);
  const ended = new AbortController();
  let source: EventSource | undefined;
  let state: LiveState = 'connecting';

  const setState = (next: LiveState): void => {
    state = next;
    onState(next);
    if (source) channel.postMessage({ kind: 'state', state: next } satisfies TabMessage);
  };
  const receive = (message: LiveMessage): void => {
    onMessage(message);
    channel.postMessage({ kind: 'message', message } satisfies TabMessage);
  };

  channel.onmessage = (event: MessageEvent<TabMessage>) => {
    const received = event.data;
    if (received.kind === 'ask') {
      if (source) channel.postMessage({ kind: 'state', state } satisfies TabMessage);
    } else if (received.kind === 'message') onMessage(received.message);
    else if (!source) setState(received.state);
  };
  channel.postMessage({ kind: 'ask' } satisfies TabMessage);

  function listen(): void {
    const opened = new EventSource('/api/events');
    source = opened;
    opened.onopen = () => setState('live');
    opened.onerror = () => {
      setState('offline');
      // The browser gives up if the response is not an event stream; the hub may still be starting.
      if (opened.readyState === EventSource.CLOSED && !ended.signal.aborted) setTimeout(listen, 2000);
    };
    for (const topic of liveTopics)
      opened.addEventListener(topic, (event: MessageEvent<string>) =>
        receive({ topic, data: JSON.parse(event.data) }),
      );
    // A new connection has missed every event before it, even those between the first load of a page and now.
    opened.addEventListener('hello', () => receive({ topic: 'reset', data: {} }));
  }

  navigator.locks
    .request(lockName, { signal: ended.signal }, async () => {
      listen();
      await new Promise<void>((resolve) => ended.signal.addEventListener('abort', () => resolve()));
      source?.close();
      source = undefined;
    })
    .catch(() => undefined);

  return {
    broadcast: (message) => channel.postMessage({ kind: 'message', message } satisfies TabMessage),
    close() {
      ended.abort();
      channel.close();
    },
  };
}
