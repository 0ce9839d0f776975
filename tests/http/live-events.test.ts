import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { decideResumption } from '#hub/http/live/event-ring.ts';
import { createLiveEvents, heartbeatMs, type LiveEventsOptions } from '#hub/http/live/live-events.ts';
import { ok } from '#hub/kernel/result.ts';
import { openTls } from '#hub/platform/tls/tls.ts';
import { ada, authenticator as byToken, folder, logInto, serve } from './support.ts';

interface Received {
  readonly id?: string;
  readonly event?: string;
  readonly data?: unknown;
}

/** Reads server-sent events as a browser does: fields of a block, ended by an empty line; comments are skipped. */
class EventReader {
  readonly events: Received[] = [];
  lastEventId = '';
  ended = false;
  #text = '';
  #waiting: (() => void)[] = [];

  take(chunk: string): void {
    this.#text += chunk;
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').filter((line) => !line.startsWith(':'));
      const field = (name: string) =>
        fields.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      this.lastEventId = field('id') ?? this.lastEventId;
      const data = field('data');
      if (data !== undefined)
        this.events.push({ id: this.lastEventId, event: field('event')!, data: JSON.parse(data) });
    }
    this.wake();
  }
  end(): void {
    this.ended = true;
    this.wake();
  }
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
  /** Resolves when `condition` holds after something arrived. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  names(): string[] {
    return this.events.map((event) => event.event!);
  }
}

async function live(options: Partial<LiveEventsOptions> = {}) {
  const beats: (() => void)[] = [];
  const state: { principal: Principal | null; signedIn: Principal } = { principal: ada, signedIn: ada };
  const { log, lines } = logInto();
  const events = createLiveEvents({
    topics,
    recheck: async () => state.principal,
    log,
    every: (intervalMs, beat) => {
      expect(intervalMs).toBe(heartbeatMs);
      beats.push(beat);
      return () => beats.splice(0);
    },
    ...options,
  });
  onTestFinished(() => events.close());
  const hub = await serve({
    rawEndpoints: [events.endpoint],
    authenticator: {
      ...byToken,
      authenticate: async (caller) =>
        caller.headers.authorization === 'Bearer ada' ? ok(state.signedIn) : byToken.authenticate(caller),
    },
  });
  const open = async (headers: Record<string, string> = {}, query = '') => {
    const reader = new EventReader();
    const sent = request({
      port: hub.httpPort,
      path: `/api/events${query}`,
      agent: false,
      headers: { authorization: 'Bearer ada', ...headers },
    });
    sent.end();
    const [response] = await once(sent, 'response');
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => reader.take(chunk));
    response.on('close', () => reader.end());
    response.on('error', () => undefined);
    onTestFinished(() => void sent.destroy());
    return Object.assign(reader, { status: response.statusCode as number, headers: response.headers, sent });
  };
  const beat = () => {
    for (const call of beats) call();
  };
  return { events, hub, open, beat, state, lines };
}

const seen = { permission: 'portal.read', text: 'Somebody may see it' } as const;
const hidden = { permission: 'audit.read', text: 'Ada may not see it' } as const;
const topics = {
  a: seen,
  b: seen,
  c: seen,
  d: seen,
  filling: seen,
  after: seen,
  'portal.state': seen,
  'portal.changed': seen,
  'access.event': seen,
  'audit.entry': hidden,
};

const say = (topic: keyof typeof topics, data: Record<string, unknown> = {}) => ({ topic, data });

describe('live events', () => {
  it('reach every connection whose account has the permission, in order', async () => {
    const { events, open } = await live();
    const reader = await open();
    expect(reader.status).toBe(200);
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    events.announce(say('portal.state', { key: 'front' }));
    events.announce(say('audit.entry', { secret: true }));
    events.announce(say('access.event', { text: 'line\nbreak' }));
    await reader.until(() => reader.events.length === 3);
    expect(reader.events.map(({ event, data }) => ({ event, data }))).toEqual([
      { event: 'hello', data: {} },
      { event: 'portal.state', data: { key: 'front' } },
      { event: 'access.event', data: { text: 'line\nbreak' } },
    ]);
    const seqs = reader.events.map((event) => Number(event.id!.split('-').at(-1)));
    expect(seqs).toEqual([0, 1, 3]);
  });

  it('are for those who are signed in', async () => {
    const { open } = await live();
    expect((await open({ authorization: 'Bearer old' })).status).toBe(401);
  });

  it('resume after Last-Event-ID without a gap or a repeat', async () => {
    const { events, open } = await live();
    const first = await open();
    events.announce(say('a'));
    await first.until(() => first.events.length === 2);
    first.sent.destroy();
    events.announce(say('b'));
    events.announce(say('c'));
    const second = await open({ 'last-event-id': first.lastEventId });
    events.announce(say('d'));
    await second.until(() => second.events.length === 3);
    expect(second.names()).toEqual(['b', 'c', 'd']);
  });

  it('come from the chosen topics alone, by name or by beginning', async () => {
    const { events, open } = await live();
    const doors = await open({}, '?topics=portal.*,access.event');
    const one = await open({}, '?topics=a');
    for (const topic of ['b', 'portal.state', 'access.event', 'portal.changed', 'a'] as const)
      events.announce(say(topic));
    await one.until(() => one.names().includes('a'));
    await doors.until(() => doors.names().includes('portal.changed'));
    expect(one.names()).toEqual(['hello', 'a']);
    expect(doors.names()).toEqual(['hello', 'portal.state', 'access.event', 'portal.changed']);
  });

  it('are refused for topics that do not exist, with those that do, and for parameters that do not exist', async () => {
    const { hub } = await live();
    const ask = async (query: string) => {
      const headers = { authorization: 'Bearer ada' };
      const response = await fetch(`http://127.0.0.1:${hub.httpPort}/api/events${query}`, { headers });
      const body = (await response.json()) as { code: string; errors: object[] };
      return { status: response.status, body };
    };
    const unknown = await ask('?topics=portal.state,door.opend,');
    expect(unknown).toMatchObject({ status: 400, body: { code: 'invalidRequest' } });
    expect(unknown.body.errors).toEqual([
      { pointer: '/query/topics', message: expect.stringMatching(/"door\.opend", "".*portal\.state/) },
    ]);
    expect((await ask('?topics=door.*')).status).toBe(400);
    expect((await ask('?topic=a')).body.errors).toEqual([
      { pointer: '/query/topic', message: 'is not known here' },
    ]);
    expect((await ask('?topics=a&topics=b')).status).toBe(400);
  });

  it('resume after lastEventId in the address; the header goes before it', async () => {
    const { events, open } = await live();
    const first = await open();
    for (const topic of ['a', 'b', 'c'] as const) events.announce(say(topic));
    await first.until(() => first.events.length === 4);
    const boot = first.lastEventId.replace(/-\d+$/, '');
    const byQuery = await open({}, `?lastEventId=${boot}-1`);
    await byQuery.until(() => byQuery.events.length === 2);
    expect(byQuery.names()).toEqual(['b', 'c']);
    const byHeader = await open({ 'last-event-id': `${boot}-2` }, `?lastEventId=${boot}-1&topics=b,c`);
    await byHeader.until(() => byHeader.events.length === 1);
    expect(byHeader.names()).toEqual(['c']);
  });

  it('catch up on far more than a slow reader may leave unread', async () => {
    const { events, open, lines } = await live({ maxUnreadBytes: 100_000 });
    const first = await open();
    await first.until(() => first.events.length === 1);
    const filling = 'x'.repeat(50_000);
    first.sent.destroy();
    await vi.waitFor(() => expect(events.connectionCount()).toBe(0));
    for (let count = 0; count < 60; count += 1) events.announce(say('filling', { count, filling }));
    const second = await open({ 'last-event-id': first.lastEventId });
    events.announce(say('after'));
    await second.until(() => second.names().includes('after') || second.ended);
    expect(second.events.slice(0, -1).map(({ data }) => (data as { count: number }).count)).toEqual(
      Array.from({ length: 60 }, (_, count) => count),
    );
    expect(lines.filter((line) => String(line['msg']).includes('too slow'))).toEqual([]);
    events.announce(say('a'));
    await second.until(() => second.names().includes('a'));
  });

  it('are given up for a reader that asks for what it missed and reads nothing of it', async () => {
    const { events, hub, open, beat } = await live();
    const first = await open();
    await first.until(() => first.events.length === 1);
    first.sent.destroy();
    await vi.waitFor(() => expect(events.connectionCount()).toBe(0));
    const filling = 'x'.repeat(100_000);
    for (let count = 0; count < 200; count += 1) events.announce(say('filling', { filling }));
    const slow = connect({ host: '127.0.0.1', port: hub.httpPort! });
    onTestFinished(() => void slow.destroy());
    slow.write(
      'GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ada\r\n' +
        `Last-Event-ID: ${first.lastEventId}\r\n\r\n`,
    );
    await once(slow, 'readable');
    await vi.waitFor(() => {
      beat();
      expect(events.connectionCount()).toBe(0);
    });
  });

  it('say reset when what was missed is no longer known, or of another boot', async () => {
    const { events, open } = await live({ maxEvents: 2 });
    const first = await open();
    await first.until(() => first.events.length === 1);
    const oldId = first.lastEventId;
    for (const topic of ['a', 'b', 'c'] as const) events.announce(say(topic));
    const tooOld = await open({ 'last-event-id': oldId });
    await tooOld.until(() => tooOld.events.length === 1);
    expect(tooOld.events[0]).toMatchObject({ event: 'reset', data: { reason: 'tooOld' } });
    const otherBoot = await open({ 'last-event-id': 'another-boot-1' });
    await otherBoot.until(() => otherBoot.events.length === 1);
    expect(otherBoot.events[0]).toMatchObject({ event: 'reset', data: { reason: 'otherBoot' } });
    expect(otherBoot.lastEventId).toBe(tooOld.lastEventId);
  });

  it('beat, which moves the id past events that the account may not see', async () => {
    const { events, open, beat } = await live();
    const reader = await open();
    await reader.until(() => reader.events.length === 1);
    events.announce(say('audit.entry'));
    beat();
    await reader.until(() => reader.lastEventId.endsWith('-1'));
    expect(reader.names()).toEqual(['hello']);
  });

  it('end when the session has ended, at once or at the next beat', async () => {
    const { events, open, beat, state } = await live();
    const [first, second] = [await open(), await open()];
    await events.recheck();
    expect([first.ended, second.ended]).toEqual([false, false]);
    state.principal = null;
    await events.recheck();
    await first.until(() => first.ended);
    await second.until(() => second.ended);
    expect(first.names()).toEqual(['hello', 'signedOut']);
    state.principal = ada;
    const third = await open();
    state.principal = null;
    beat();
    await third.until(() => third.ended);
    expect(third.names()).toEqual(['hello', 'signedOut']);
    await vi.waitFor(() => expect(events.connectionCount()).toBe(0));
  });

  it('follow permissions that were given or taken meanwhile', async () => {
    const { events, open, beat, state } = await live();
    const reader = await open();
    state.principal = { ...ada, permissions: new Set(['audit.read']) };
    events.announce(say('audit.entry'));
    beat();
    await reader.until(() => reader.lastEventId.endsWith('-1'));
    events.announce(say('portal.state'));
    events.announce(say('audit.entry'));
    await reader.until(() => reader.names().includes('audit.entry'));
    expect(reader.names()).toEqual(['hello', 'audit.entry']);
  });

  it('are bounded for each session and in all, and a place becomes free again', async () => {
    const { events, open } = await live({ maxConnectionsPerSession: 2, maxConnections: 10 });
    const first = await open();
    await open();
    const refused = await open();
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('30');
    first.sent.destroy();
    await vi.waitFor(() => expect(events.connectionCount()).toBe(1));
    expect((await open()).status).toBe(200);
  });

  it('leave room for others, whatever one account opens in how many sessions', async () => {
    const session = (name: string, number: number): Principal => ({
      ...ada,
      accountId: name,
      sessionId: `${name} ${number}`,
    });
    const { events, open, state } = await live({ maxConnections: 20, maxConnectionsPerAccount: 5 });
    const statusFor = async (principal: Principal) => {
      state.signedIn = principal;
      return (await open()).status;
    };
    const many = async (name: string, count: number) => {
      const statuses: number[] = [];
      for (let number = 0; number < count; number += 1) statuses.push(await statusFor(session(name, number)));
      return statuses;
    };
    expect(await many('guest', 7)).toEqual([200, 200, 200, 200, 200, 429, 429]);
    for (const name of ['bea', 'cleo', 'dora']) await many(name, 5);
    // The last two of twenty are for who has none.
    expect(events.connectionCount()).toBe(18);
    expect(await many('guest', 1)).toEqual([429]);
    expect(await many('owner', 2)).toEqual([200, 429]);
    expect(events.lost.noRoom).toBeGreaterThanOrEqual(4);
  });

  it('are bounded in all', async () => {
    const tight = await live({ maxConnections: 1 });
    await tight.open();
    expect((await tight.open()).status).toBe(429);
  });

  it('drop a reader that does not read, with a notice, and nobody else', async () => {
    const { events, hub, open, beat, lines } = await live({ maxUnreadBytes: 100_000 });
    const reader = await open();
    const slow = connect({ host: '127.0.0.1', port: hub.httpPort! });
    onTestFinished(() => void slow.destroy());
    slow.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ada\r\n\r\n');
    await once(slow, 'readable');
    expect(events.connectionCount()).toBe(2);
    const filling = 'x'.repeat(50_000);
    const isDropped = () => lines.some((line) => String(line['msg']).includes('too slow'));
    let announced = 0;
    while (!isDropped()) {
      announced += 1;
      events.announce(say('filling', { filling }));
      await reader.until(() => reader.names().filter((name) => name === 'filling').length === announced);
    }
    expect(lines).toContainEqual(
      expect.objectContaining({ accountId: 'ada', unreadBytes: expect.any(Number) }),
    );
    events.announce(say('after'));
    await reader.until(() => reader.names().includes('after'));
    let text = '';
    slow.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-2000)));
    await vi.waitFor(() => expect(text).toContain('event: dropped'));
    expect(text).not.toContain('event: after');
    beat();
    await vi.waitFor(() => expect(events.connectionCount()).toBe(1));
  });

  it('end with a notice when the hub closes', async () => {
    const { events, open } = await live();
    const reader = await open();
    events.close();
    await reader.until(() => reader.ended);
    expect(reader.names()).toEqual(['hello', 'closing']);
    expect((await open()).status).toBe(503);
  });

  it('flow over HTTP/2 and its headers answer HEAD without a stream', async () => {
    const { log } = logInto();
    const events = createLiveEvents({ topics, recheck: async () => ada, log });
    onTestFinished(() => events.close());
    const tls = await openTls({ directory: folder(), configuredNames: [], clock: { nowMs: Date.now }, log });
    onTestFinished(() => tls.close());
    const authenticator = { authenticate: async () => ok(ada), recheck: async () => ada };
    const hub = await serve(
      { rawEndpoints: [events.endpoint], authenticator },
      { https: { port: 0, host: '127.0.0.1', certificates: tls } },
    );
    const session = connectHttp2(`https://127.0.0.1:${hub.httpsPort}`, { ca: tls.authorityPem() });
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':path': '/api/events' });
    const reader = new EventReader();
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => reader.take(chunk));
    stream.on('close', () => reader.end());
    await reader.until(() => reader.names().includes('hello'));
    events.announce(say('portal.state'));
    await reader.until(() => reader.names().includes('portal.state'));
    const resumed = new EventReader();
    const again = session.request({ ':path': '/api/events?topics=b', 'last-event-id': reader.lastEventId });
    again.setEncoding('utf8').on('data', (chunk: string) => resumed.take(chunk));
    events.announce(say('a'));
    events.announce(say('b'));
    await resumed.until(() => resumed.names().includes('b'));
    expect(resumed.names()).toEqual(['b']);
    const head = session.request({ ':path': '/api/events', ':method': 'HEAD' });
    const [headers] = await once(head, 'response');
    expect(headers[':status']).toBe(200);
    events.close();
    await reader.until(() => reader.ended);
    expect(reader.names()).toEqual(['hello', 'portal.state', 'a', 'b', 'closing']);
  });

  it('drop a reader over HTTP/2 that does not read, and the other streams of its connection go on', async () => {
    const { log, lines } = logInto();
    const events = createLiveEvents({ topics, recheck: async () => ada, log, maxUnreadBytes: 100_000 });
    onTestFinished(() => events.close());
    const tls = await openTls({ directory: folder(), configuredNames: [], clock: { nowMs: Date.now }, log });
    onTestFinished(() => tls.close());
    const authenticator = { authenticate: async () => ok(ada), recheck: async () => ada };
    const hub = await serve(
      { rawEndpoints: [events.endpoint], authenticator },
      { https: { port: 0, host: '127.0.0.1', certificates: tls } },
    );
    const session = connectHttp2(`https://127.0.0.1:${hub.httpsPort}`, { ca: tls.authorityPem() });
    onTestFinished(() => session.destroy());
    const slow = session.request({ ':path': '/api/events?topics=filling' });
    await once(slow, 'response');
    slow.pause();
    const reader = new EventReader();
    const other = session.request({ ':path': '/api/events?topics=after' });
    other.setEncoding('utf8').on('data', (chunk: string) => reader.take(chunk));
    await reader.until(() => reader.names().includes('hello'));
    const filling = 'x'.repeat(50_000);
    const isDropped = () => lines.some((line) => String(line['msg']).includes('too slow'));
    for (let count = 0; count < 200 && !isDropped(); count += 1) {
      events.announce(say('filling', { filling }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(isDropped()).toBe(true);
    events.announce(say('after'));
    await reader.until(() => reader.names().includes('after'));
    expect(events.connectionCount()).toBe(2);
  });
});

describe('resuming', () => {
  it('goes on exactly where the id says, or says reset, for every id', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(50), fc.nat(50), fc.nat(120), (noise, length, oldestSeq, seq) => {
        const ring = { bootId: 'boot', oldestSeq: oldestSeq + 1, newestSeq: oldestSeq + length };
        const known = seq >= oldestSeq && seq <= ring.newestSeq;
        expect(decideResumption(`boot-${seq}`, ring)).toEqual(
          known
            ? { kind: 'after', seq }
            : { kind: 'reset', reason: seq > ring.newestSeq ? 'otherBoot' : 'tooOld' },
        );
        const strange = decideResumption(noise, ring);
        expect(strange.kind).toBe(noise === '' ? 'fresh' : 'reset');
      }),
    );
  });
});
