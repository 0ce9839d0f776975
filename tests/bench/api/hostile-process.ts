import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';

// Somebody on the network who means harm, within the bounds of a bench: asked for one kind of load by its name, answers when it
// has begun. The process is ended to end the load.

interface Setup {
  readonly httpsPort: number;
  /** Of an account that was taken over. */
  readonly cookie: string;
}

const setup = JSON.parse(process.argv[2] ?? '') as Setup;
const host = '127.0.0.1';
const url = `https://${host}:${setup.httpsPort}`;
const none = (): void => undefined;

/** So many connections that say nothing, opened again whenever one is cut. */
function keepSilent(count: number, localAddress: string): void {
  const open = (): void => {
    const socket: Socket = connect({ host, port: setup.httpsPort, localAddress });
    socket.on('error', none);
    socket.resume().once('close', () => setTimeout(open, 100));
  };
  for (let index = 0; index < count; index += 1) open();
}

/** An HTTP/2 connection that is opened again whenever it ends, with `use` for each. */
function keepSession(localAddress: string, use: (session: ReturnType<typeof connectHttp2>) => void): void {
  const options = { rejectUnauthorized: false, localAddress, settings: { initialWindowSize: 1024 } };
  const session = connectHttp2(url, options);
  session.on('error', none);
  session.once('connect', () => use(session));
  session.once('close', () => setTimeout(() => keepSession(localAddress, use), 100));
}

/** Bodies of which most is sent at once, and the rest never. */
function keepBodies(count: number, localAddress: string): void {
  keepSession(localAddress, (session) => {
    const one = (): void => {
      if (session.destroyed) return;
      const stream = session.request({
        ':method': 'POST',
        ':path': '/auth/login',
        'content-type': 'application/json',
      });
      stream.on('error', none).resume();
      stream.write(`{"username":"${'x'.repeat(240_000)}`);
      const drip = setInterval(() => stream.write('x'), 5000);
      stream.once('close', () => {
        clearInterval(drip);
        setTimeout(one, 2000);
      });
    };
    for (let index = 0; index < count; index += 1) one();
  });
}

/** A wrong password for one account from a new address each time. */
function guess(perSecond: number): void {
  let sent = 0;
  setInterval(() => {
    sent += 1;
    const localAddress = `127.${1 + (sent % 200)}.${1 + (Math.floor(sent / 200) % 200)}.9`;
    const options = { rejectUnauthorized: false, localAddress };
    const session = connectHttp2(url, options);
    session.on('error', none);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/auth/login',
      'content-type': 'application/json',
    });
    stream.on('error', none).resume();
    stream.once('close', () => session.close());
    stream.end(JSON.stringify({ username: 'olga', password: `wrong guess ${sent}` }));
  }, 1000 / perSecond);
}

/** Streams of one path that are opened and not read. */
function keepUnread(path: string, accept: string, count: number): void {
  keepSession('127.0.0.8', (session) => {
    const one = (): void => {
      if (session.destroyed) return;
      const stream: Readable = session.request({ ':path': path, accept, cookie: setup.cookie });
      stream.on('error', none);
      stream.once('close', () => setTimeout(one, 1000));
    };
    for (let index = 0; index < count; index += 1) one();
  });
}

const loads: Readonly<Record<string, () => void>> = {
  'silent connections': () => keepSilent(300, '127.0.0.9'),
  'bodies without end': () => {
    for (let index = 0; index < 4; index += 1) keepBodies(90, '127.0.0.9');
  },
  'guesses from new addresses': () => guess(30),
  'live connections and files of one account': () => {
    keepUnread('/api/events', 'text/event-stream', 60);
    keepUnread('/api/access-control/events', 'text/csv', 6);
  },
};

process.on('message', (name: string) => {
  loads[name]?.();
  process.send?.(name in loads);
});
