/**
 * One live connection for the whole browser: HTTP/1.1 allows six connections per host, so one per tab would starve
 * the pages. The tab that holds the lock listens to the hub and passes everything on to the others; when it closes,
 * another tab takes over from the last event id.
 */
export type LiveState = 'connecting' | 'live' | 'offline';

export interface LiveMessage {
  readonly topic: string;
  readonly data: Readonly<Record<string, unknown>>;
}

type Passed =
  | { readonly kind: 'message'; readonly message: LiveMessage }
  | { readonly kind: 'state'; readonly state: LiveState }
  | { readonly kind: 'ask' };

const lockName = 'makrcave-live';

export interface LiveConnection {
  close(): void;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/**
 * Starts listening.
 * @param onMessage every event; topic `reset` says that events were missed: load everything again
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
    const onEvent = (event: MessageEvent<string>): void => {
      const parsed: unknown = JSON.parse(event.data);
      const data = isRecord(parsed) ? parsed : {};
      const topic = event.type === 'message' && typeof data.topic === 'string' ? data.topic : event.type;
      receive({ topic, data: isRecord(data.data) ? data.data : data });
    };
    opened.onmessage = onEvent;
    opened.addEventListener('reset', onEvent);
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
    close() {
      ended.abort();
      channel.close();
    },
  };
}
