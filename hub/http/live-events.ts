import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import { z } from 'zod';
import { assert } from '#hub/kernel/result.ts';
import type { Announce } from '#hub/platform/announce.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Authenticator } from './auth.ts';
import type { Principal } from './endpoint.ts';
import { decideResumption, EventRing } from './event-ring.ts';
import { platformProblem } from './problem.ts';
import type { RawCall, RawEndpoint } from './raw-endpoint.ts';

export const heartbeatMs = 15_000;

export interface LiveEventsOptions {
  /** Events that a connection which was away can catch up on. */
  readonly maxEvents?: number;
  readonly maxConnections?: number;
  readonly maxConnectionsPerSession?: number;
  /** A connection that leaves more than this unread is dropped. */
  readonly maxUnreadBytes?: number;
  readonly recheck: Authenticator['recheck'];
  readonly log: Logger;
  /** Calls `beat` every `intervalMs` until the function that it answers is called. */
  readonly every?: (intervalMs: number, beat: () => void) => () => void;
}

export interface LiveEvents {
  readonly announce: Announce;
  readonly endpoint: RawEndpoint;
  /** Looks at every connection's session at once, for example when somebody signed out; each beat does so too. */
  recheck(): Promise<void>;
  connectionCount(): number;
  /** Ends every connection; what is announced afterwards reaches nobody. */
  close(): void;
}

interface Connection {
  principal: Principal;
  readonly response: Writable;
  /** Ended with a notice that the reader has not taken; destroyed at the next beat. */
  ending: boolean;
}

const everyWithTimer = (intervalMs: number, beat: () => void): (() => void) => {
  const timer = setInterval(beat, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
};

/** A line break in a topic would let its author write other fields. */
const wellFormedTopic = /^[\w.-]{1,80}$/;

/** What becomes of a stream: the state that all its connections share. */
class EventStreams {
  readonly connections = new Set<Connection>();
  readonly ring: EventRing;
  readonly #options: LiveEventsOptions;
  readonly #log: Logger;
  readonly #maxUnreadBytes: number;

  constructor(options: LiveEventsOptions) {
    this.#options = options;
    this.#log = options.log.child({ subsystem: 'liveEvents' });
    this.#maxUnreadBytes = options.maxUnreadBytes ?? 256 * 1024;
    this.ring = new EventRing(randomUUID(), options.maxEvents ?? 1000);
  }

  send(connection: Connection, text: string): void {
    if (connection.ending) return;
    const { response } = connection;
    if (response.writableLength > this.#maxUnreadBytes) {
      this.#log.warn(
        { accountId: connection.principal.accountId, unreadBytes: response.writableLength },
        'live connection dropped: its reader is too slow',
      );
      this.end(connection, 'dropped', { reason: 'tooSlow' });
      return;
    }
    response.write(text);
  }

  /** Ends a connection with a notice of why, which a browser sees before it reconnects. */
  end(connection: Connection, notice: string, data: Readonly<Record<string, string>>): void {
    if (connection.ending) return;
    connection.ending = true;
    connection.response.end(`event: ${notice}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  async beat(): Promise<void> {
    for (const connection of this.connections) {
      if (connection.ending) {
        connection.response.destroy();
        continue;
      }
      const principal = await this.#recheck(connection.principal);
      if (principal === null) this.end(connection, 'signedOut', {});
      else {
        connection.principal = principal;
        // An id without data moves the browser's Last-Event-ID past events that this account may not see.
        this.send(connection, `: beat\nid: ${this.ring.lastEventId}\n\n`);
      }
    }
  }

  async #recheck(principal: Principal): Promise<Principal | null> {
    if (principal.kind === 'console') return principal;
    try {
      return await this.#options.recheck(principal);
    } catch (error) {
      this.#log.error({ err: error, accountId: principal.accountId }, 'a live session cannot be checked');
      return null;
    }
  }

  open(call: RawCall, principal: Principal): void {
    const response: Writable = call.response;
    const connection: Connection = { principal, response, ending: false };
    this.connections.add(connection);
    response.once('close', () => this.connections.delete(connection));
    response.on('error', () => this.connections.delete(connection));
    call.response.statusCode = 200;
    call.response.setHeader('Content-Type', 'text/event-stream');
    call.response.setHeader('Cache-Control', 'no-store');
    call.response.setHeader('X-Accel-Buffering', 'no');
    call.request.socket.setTimeout(0);
    this.#greet(connection, call.caller.headers['last-event-id']);
  }

  #greet(connection: Connection, lastEventId: string | string[] | undefined): void {
    const { ring } = this;
    const resumption = decideResumption(typeof lastEventId === 'string' ? lastEventId : undefined, ring);
    if (resumption.kind === 'after') {
      this.send(connection, ': resumed\nretry: 3000\n\n');
      for (const event of ring.after(resumption.seq))
        if (connection.principal.permissions.has(event.permission)) this.send(connection, event.frame);
      return;
    }
    const [name, data] =
      resumption.kind === 'fresh' ? ['hello', {}] : ['reset', { reason: resumption.reason }];
    this.send(
      connection,
      `retry: 3000\nid: ${ring.lastEventId}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`,
    );
  }
}

/**
 * Server-sent events at `/api/events`. Every announcement goes to each connection whose account has its permission;
 * ids are `<bootId>-<seq>`, and a connection that names its last one gets what it missed, or the event `reset` when
 * that is no longer known. Notices without id: `hello`, `signedOut`, `dropped`, `closing`.
 */
export function createLiveEvents(options: LiveEventsOptions): LiveEvents {
  const streams = new EventStreams(options);
  const maxConnections = options.maxConnections ?? 200;
  const maxPerSession = options.maxConnectionsPerSession ?? 8;
  let closed = false;
  const stopBeat = (options.every ?? everyWithTimer)(heartbeatMs, () => void streams.beat());

  const isFull = (principal: Principal): boolean => {
    const own = [...streams.connections].filter(
      (connection) => connection.principal.sessionId === principal.sessionId && !connection.ending,
    );
    return streams.connections.size >= maxConnections || own.length >= maxPerSession;
  };

  const endpoint: RawEndpoint = {
    path: '/api/events',
    summary: 'What happens now, as server-sent events; resumes after Last-Event-ID',
    tag: 'live',
    access: { signedIn: true },
    ratePerMinute: 120,
    mediaType: 'text/event-stream',
    response: z.string(),
    async serve(call) {
      assert(call.principal !== null, 'live events are for those who are signed in');
      if (call.caller.method === 'HEAD')
        return { status: 200, headers: { 'Content-Type': 'text/event-stream' }, body: '' };
      if (closed) return { problem: platformProblem('storeBusy', { retryAfterSeconds: 5 }) };
      if (isFull(call.principal))
        return { problem: platformProblem('tooManyRequests', { retryAfterSeconds: 30 }) };
      streams.open(call, call.principal);
      return null;
    },
  };

  return {
    endpoint,
    announce({ topic, permission, data }) {
      assert(wellFormedTopic.test(topic), 'a topic is one word with dots');
      const event = streams.ring.add(topic, permission, data);
      for (const connection of streams.connections)
        if (connection.principal.permissions.has(permission)) streams.send(connection, event.frame);
    },
    recheck: () => streams.beat(),
    connectionCount: () => streams.connections.size,
    close() {
      closed = true;
      stopBeat();
      for (const connection of streams.connections) streams.end(connection, 'closing', {});
    },
  };
}
