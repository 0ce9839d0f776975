import { request } from 'node:http';

export interface StreamedEvent {
  readonly topic: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ControlStream {
  /** The first event, from the opening of the stream on, that fits; rejects after `timeoutMs` or when the hub ends. */
  next(fits: (event: StreamedEvent) => boolean, timeoutMs: number): Promise<StreamedEvent>;
  close(): void;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lines of one server-sent event -> topic and data; undefined for comments and bare ids. */
function parseFrame(frame: string): StreamedEvent | undefined {
  let topic = 'message';
  let text = '';
  for (const line of frame.split('\n')) {
    if (line.startsWith('event: ')) topic = line.slice('event: '.length);
    else if (line.startsWith('data: ')) text += line.slice('data: '.length);
  }
  if (text === '') return undefined;
  const data: unknown = JSON.parse(text);
  return { topic, data: isObject(data) ? data : {} };
}

interface Waiter {
  readonly fits: (event: StreamedEvent) => boolean;
  readonly resolve: (event: StreamedEvent) => void;
  readonly reject: (cause: Error) => void;
}

/** Listens to the running hub's live events over its Unix socket. Resolves when the hub has begun to send. */
export function openControlStream(socketPath: string): Promise<ControlStream> {
  const seen: StreamedEvent[] = [];
  const waiters = new Set<Waiter>();
  const take = (event: StreamedEvent): void => {
    seen.push(event);
    for (const waiter of waiters) if (waiter.fits(event)) waiter.resolve(event);
  };
  const fail = (cause: Error): void => {
    for (const waiter of waiters) waiter.reject(cause);
  };
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath, path: '/api/events', headers: { accept: 'text/event-stream' } },
      (response) => {
        if (response.statusCode !== 200) {
          call.destroy();
          reject(new Error(`the hub answered /api/events with ${response.statusCode}`));
          return;
        }
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const frames = (rest + chunk).split('\n\n');
          rest = frames.pop() ?? '';
          for (const frame of frames) {
            const event = parseFrame(frame);
            if (event !== undefined) take(event);
          }
        });
        response.once('close', () => fail(new Error('the hub ended the stream of events')));
        resolve({
          next(fits, timeoutMs) {
            const found = seen.find(fits);
            if (found !== undefined) return Promise.resolve(found);
            return new Promise((resolveNext, rejectNext) => {
              const settle = (end: () => void): void => {
                clearTimeout(timer);
                waiters.delete(waiter);
                end();
              };
              const waiter: Waiter = {
                fits,
                resolve: (event) => settle(() => resolveNext(event)),
                reject: (cause) => settle(() => rejectNext(cause)),
              };
              const timer = setTimeout(
                () => waiter.reject(new Error(`nothing was reported within ${timeoutMs} ms`)),
                timeoutMs,
              );
              waiters.add(waiter);
            });
          },
          close: () => call.destroy(),
        });
      },
    );
    call.once('error', (cause) => {
      fail(cause);
      reject(cause);
    });
    call.end();
  });
}
