import { type EventEmitter, once } from 'node:events';
import { type ClientHttp2Session, type ClientSessionOptions, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { RawEndpoint } from '#hub/http/endpoint/raw-endpoint.ts';
import { until } from '#tests/_support/until.ts';
import { secureHub } from './support.ts';

const short = {
  handshakeMs: 100,
  headersMs: 150,
  requestMs: 200,
  keepAliveMs: 150,
  idleMs: 150,
  stalledMs: 300,
  checkMs: 20,
};
/** Fills every buffer between the hub and a client that does not read; `ends` has one entry for each answer that ended. */
function largeAnswers() {
  const ends: ('whole' | 'cut')[] = [];
  const endpoint: RawEndpoint = {
    path: '/api/large',
    summary: 'Much',
    tag: 'things',
    access: { open: 'test' },
    ratePerMinute: 1000,
    mediaType: 'application/octet-stream',
    response: z.string(),
    serve: async ({ response }) => {
      response.once('close', () => ends.push(response.writableFinished ? 'whole' : 'cut'));
      return { status: 200, headers: {}, body: Buffer.alloc(32 * 1024 * 1024) };
    },
  };
  return { endpoint, ends };
}

async function hub(bounds: Parameters<typeof secureHub>[2] = short) {
  const large = largeAnswers();
  const { httpsPort, tls } = await secureHub(undefined, { rawEndpoints: [large.endpoint] }, bounds);
  const port = httpsPort!;
  const ca = tls.authorityPem();
  const raw = (localAddress = '127.0.0.1'): Socket => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const secured = async (protocol: 'h2' | 'http/1.1') => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      ca,
      servername: 'hub.local',
      ALPNProtocols: [protocol],
    });
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  const session = (
    options: ClientSessionOptions & { readonly localAddress?: string } = {},
  ): ClientHttp2Session => {
    const made = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: 'hub.local', ...options });
    made.on('error', () => undefined);
    onTestFinished(() => made.destroy());
    return made;
  };
  return { raw, secured, session, ends: large.ends };
}

const post = { ':method': 'POST', ':path': '/api/open', 'content-type': 'application/json' };

/** Resolves at its end, also when that came by an error. */
const closed = (connection: Pick<EventEmitter, 'once'>): Promise<void> =>
  new Promise((resolve) => void connection.once('close', resolve));

/** Sends a byte now and then until the test ends. */
function drip(send: () => void): void {
  const timer = setInterval(send, 20);
  onTestFinished(() => clearInterval(timer));
}

async function statusOf(session: ClientHttp2Session): Promise<unknown> {
  const stream = session.request({ ':path': '/api/things' });
  const [headers] = await once(stream, 'response');
  stream.resume();
  return headers[':status'];
}

describe('a connection that is kept open', () => {
  it('ends without a TLS handshake', async () => {
    const { raw } = await hub();
    await closed(raw().resume());
  });

  it('ends without a preface of HTTP/2, and with nothing but pings on it', async () => {
    const { secured, session } = await hub();
    await closed((await secured('h2')).resume());
    const pinging = session();
    await once(pinging, 'connect');
    drip(() => void (pinging.destroyed || pinging.ping(() => undefined)));
    await closed(pinging);
  });

  it('ends when a request over HTTP/2 was its last for long', async () => {
    const { session } = await hub();
    const used = session();
    expect(await statusOf(used)).toBe(200);
    await closed(used);
  });

  it.each([
    ['headers', 'GET /api/things HTTP/1.1\r\nHost: hub.local\r\nX: '],
    [
      'a body',
      'POST /api/open HTTP/1.1\r\nHost: hub.local\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n',
    ],
  ])('ends when %s of HTTP/1.1 come byte by byte', async (_what, start) => {
    const { secured } = await hub();
    const socket = await secured('http/1.1');
    socket.write(start);
    drip(() => void socket.write('a'));
    await closed(socket.resume());
  });

  it('loses a body of HTTP/2 that comes byte by byte, and nothing else', async () => {
    const { session } = await hub();
    const shared = session();
    const slow = shared.request(post);
    slow.on('error', () => undefined);
    slow.write('{"a":"');
    drip(() => void (slow.destroyed || slow.write('a')));
    await closed(slow);
    expect(slow.rstCode).toBe(8);
    expect(await statusOf(shared)).toBe(200);
  });

  it('loses an answer that nobody reads', async () => {
    const { secured, session, ends } = await hub();
    const socket = await secured('http/1.1');
    socket.pause().write('GET /api/large HTTP/1.1\r\nHost: hub.local\r\n\r\n');
    await until('an end over HTTP/1.1', () => ends.length === 1);
    const stream = session().request({ ':path': '/api/large' });
    stream.on('error', () => undefined);
    await closed(stream);
    expect([ends, stream.rstCode]).toEqual([['cut', 'cut'], 8]);
  });
});

describe('connections of one address', () => {
  it('are a share of all: others get in while it has taken its own', async () => {
    const { raw, session } = await hub({ connections: 6, connectionsPerAddress: 3 });
    const held = [raw('127.0.0.9'), raw('127.0.0.9'), raw('127.0.0.9')];
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    await closed(raw('127.0.0.9').resume());
    expect(held.map((socket) => socket.destroyed)).toEqual([false, false, false]);
    expect(await statusOf(session())).toBe(200);
    held[0]?.destroy();
    await until('a place', () => statusOf(session({ localAddress: '127.0.0.9' })).catch(() => false));
  });
});

describe('requests under way of one address', () => {
  const unfinished = (session: ClientHttp2Session) => {
    const stream = session.request(post);
    stream.on('error', () => undefined);
    stream.write('{"a":"');
    return stream;
  };

  it('hold a share of the bodies that are read at once: others are served, and so is it when they are done', async () => {
    const { session } = await hub({});
    const greedy = session();
    const held = Array.from({ length: 48 }, () => unfinished(greedy));
    const [refused] = await once(unfinished(greedy), 'response');
    expect([refused[':status'], refused['retry-after']]).toEqual([429, '1']);
    expect(await statusOf(greedy)).toBe(200);
    const [other] = await once(session({ localAddress: '127.0.0.9' }).request(post).end('{}'), 'response');
    expect(other[':status']).toBe(200);
    held[0]?.close();
    await until('a place', async () => {
      const [again] = await once(greedy.request(post).end('{}'), 'response');
      return again[':status'] === 200;
    });
  });

  it('are at most 250', async () => {
    const { session } = await hub({});
    const stalled = { settings: { initialWindowSize: 0 } };
    const sessions = [session(stalled), session(stalled), session(stalled)];
    const asked = sessions.flatMap((made) =>
      Array.from({ length: 90 }, () => made.request({ ':path': '/api/things' })),
    );
    const statuses = await Promise.all(
      asked.map(async (stream) => {
        const [headers] = await once(stream, 'response');
        return headers[':status'];
      }),
    );
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
  });
});
