import { type LiveMessage, liveTopics } from './message.ts';

/**
 * One live connection for the whole browser: HTTP/1.1 allows six connections per host, so one per tab would starve
 * the pages. The tab that holds the lock listens to the hub and passes everything on to the others; when it closes,
 * another tab takes over and loads everything again.
 */
export type LiveState = 'connecting' | 'live' | 'offline';

type Passed =
  | { readonly kind: 'message'; readonly message: LiveMessage }
  | { readonly kind: 'state'; readonly state: LiveState }
  | { readonly kind: 'ask' };

const lockName = 'makrcave-live';

export interface LiveConnection {
  /** Passes on to the other tabs what they would learn from the hub only later. */
  tellOthers(message: LiveMessage): void;
  close(): void;
}

/**
 * Starts listening.
 * @param onMessage every event; topic `reset` says that events were missed: load everything again; `signedOut`: the session ended
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
    if (source) channel.postMessage({ kind: 'state', state: next } satisfies Passed);
  };
  const receive = (message: LiveMessage): void => {
    onMessage(message);
    channel.postMessage({ kind: 'message', message } satisfies Passed);
  };

  channel.onmessage = (event: MessageEvent<Passed>) => {
    const passed = event.data;
    if (passed.kind === 'ask') {
      if (source) channel.postMessage({ kind: 'state', state } satisfies Passed);
    } else if (passed.kind === 'message') onMessage(passed.message);
    else if (!source) setState(passed.state);
  };
  channel.postMessage({ kind: 'ask' } satisfies Passed);

  function listen(): void {
    const opened = new EventSource('/api/events');
    source = opened;
    opened.onopen = () => setState('live');
    opened.onerror = () => {
      setState('offline');
      // A browser gives up on an answer that is not an event stream; the hub may be starting just now.
      if (opened.readyState === EventSource.CLOSED && !ended.signal.aborted) setTimeout(listen, 2000);
    };
    for (const topic of liveTopics)
      opened.addEventListener(topic, (event: MessageEvent<string>) =>
        receive({ topic, data: JSON.parse(event.data) }),
      );
    // A connection that begins anew knows nothing of what was announced before it, not even of the moment between the
    // first load of a page and now.
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
    tellOthers: (message) => channel.postMessage({ kind: 'message', message } satisfies Passed),
    close() {
      ended.abort();
      channel.close();
    },
  };
}
