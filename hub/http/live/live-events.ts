import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import { z } from 'zod';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import { SharedPlaces } from '#hub/platform/shared-places.ts';
import type { Authenticator } from '../endpoint/auth.ts';
import type { Principal } from '../endpoint/endpoint.ts';
import { type FieldError, platformProblem } from '../endpoint/problem.ts';
import type { RawCall, RawEndpoint } from '../endpoint/raw-endpoint.ts';
import { parseRequest } from '../endpoint/request-parsing.ts';
import { addressHolders } from '../serving/caller-shares.ts';
import { decideResumption, EventRing, type LiveEvent } from './event-ring.ts';
import { chooseTopics, describeTopics, type LiveTopics } from './event-topics.ts';

export const heartbeatMs = 15_000;

export interface LiveEventsOptions {
  /** The topics that may be announced. */
  readonly topics: LiveTopics;
  /** Events that a reconnecting client can catch up on. */
  readonly maxEvents?: number;
  readonly maxConnections?: number;
  readonly maxConnectionsPerSession?: number;
  readonly maxConnectionsPerAccount?: number;
  /** Unread bytes above which a connection is dropped. */
  readonly maxUnreadBytes?: number;
  readonly recheck: Authenticator['recheck'];
  readonly log: Logger;
  /** Calls `beat` every `intervalMs` until the returned function is called. */
  readonly every?: (intervalMs: number, beat: () => void) => () => void;
}

export interface LiveEvents {
  /** Sends to every connection that chose the topic and whose account has the topic's permission. */
  readonly announce: (announcement: { readonly topic: string; readonly data: object }) => void;
  readonly endpoint: RawEndpoint;
  /** Rechecks every connection's session now, for example after a sign-out; each beat does so too. */
  recheck(): Promise<void>;
  connectionCount(): number;
  /** Connections since the start that were dropped as too slow, or refused for lack of room. */
  readonly lost: Readonly<LostConnections>;
  /** Ends every connection; later announcements reach nobody. */
  close(): void;
}

export interface LostConnections {
  tooSlow: number;
  noRoom: number;
}

interface Connection {
  principal: Principal;
  /** The topics that it asked for; null: all. */
  readonly topics: ReadonlySet<string> | null;
  readonly response: Writable;
  /** Gives its place back. */
  readonly leave: () => void;
  /** The last event that it got while it catches up on what it missed; null once it gets events as they come. */
  behindSeq: number | null;
  /** Position at the last beat while catching up: a client that has not moved since does not read. */
  beatSeq: number | null;
  /** Ended with a notice that the reader has not taken; destroyed at the next beat. */
  ending: boolean;
}

const everyWithTimer = (intervalMs: number, beat: () => void): (() => void) => {
  const timer = setInterval(beat, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
};

const maySee = ({ principal, topics }: Connection, event: LiveEvent): boolean =>
  principal.permissions.has(event.permission) && (topics === null || topics.has(event.topic));

/** For clients that cannot set a header; the header goes before it, as a browser repeats the address unchanged. */
const querySchema = z.strictObject({
  topics: z.string().max(2000).optional().meta({
    description: 'Topics, separated by commas; `member.*` is every topic that begins so. Without it: all.',
  }),
  lastEventId: z.string().max(100).optional().meta({
    description:
      'As the header Last-Event-ID, for clients that cannot set headers; the header goes before it.',
  }),
});

interface StreamRequest {
  readonly topics: ReadonlySet<string> | null;
  readonly lastEventId: string | undefined;
}

/** State shared by all connections of the stream. */
class EventStreams {
  readonly connections = new Set<Connection>();
  readonly ring: EventRing;
  readonly lost: LostConnections = { tooSlow: 0, noRoom: 0 };
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
    if (response.writableLength > this.#maxUnreadBytes) this.#drop(connection);
    else response.write(text);
  }

  #drop(connection: Connection): void {
    this.#log.warn(
      { accountId: connection.principal.accountId, unreadBytes: connection.response.writableLength },
      'live connection dropped: its reader is too slow',
    );
    this.lost.tooSlow += 1;
    this.end(connection, 'dropped', { reason: 'tooSlow' });
  }

  refuse({ accountId }: Principal): void {
    this.#log.warn({ accountId }, 'no room for a live connection');
    this.lost.noRoom += 1;
  }

  /** To all who get events as they come; who still catches up finds it in the log. */
  publish(event: LiveEvent): void {
    for (const connection of this.connections)
      if (connection.behindSeq === null && maySee(connection, event)) this.send(connection, event.frame);
  }

  /** Ends a connection with a notice of why, which a browser sees before it reconnects. */
  end(connection: Connection, notice: string, data: Readonly<Record<string, string>>): void {
    if (connection.ending) return;
    connection.ending = true;
    connection.leave();
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
        this.#beatOne(connection);
      }
    }
  }

  #beatOne(connection: Connection): void {
    const { behindSeq, beatSeq } = connection;
    connection.beatSeq = behindSeq;
    if (behindSeq !== null && behindSeq === beatSeq) this.#drop(connection);
    else if (behindSeq !== null) this.send(connection, ': beat\n\n');
    // An id without data moves the browser's Last-Event-ID past events that this account may not see.
    else this.send(connection, `: beat\nid: ${this.ring.lastEventId}\n\n`);
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

  open(call: RawCall, principal: Principal, asked: StreamRequest, leave: () => void): void {
    const response: Writable = call.response;
    const { topics } = asked;
    const forget = (): void => {
      this.connections.delete(connection);
      leave();
    };
    const connection: Connection = {
      principal,
      topics,
      response,
      leave,
      behindSeq: null,
      beatSeq: null,
      ending: false,
    };
    this.connections.add(connection);
    response.once('close', forget);
    response.on('error', forget);
    call.response.statusCode = 200;
    call.response.setHeader('Content-Type', 'text/event-stream');
    call.response.setHeader('Cache-Control', 'no-store');
    call.response.setHeader('X-Accel-Buffering', 'no');
    call.request.socket.setTimeout(0);
    this.#greet(connection, asked.lastEventId);
  }

  /** Sends what was missed as fast as it is read: a long log at once would look like a slow reader. */
  #catchUp(connection: Connection): void {
    const { response } = connection;
    while (connection.behindSeq !== null && !connection.ending) {
      const event = this.ring.next(connection.behindSeq);
      if (event === undefined) {
        // Nothing more, unless it reads more slowly than things happen and the log has gone past it.
        if (connection.behindSeq < this.ring.newestSeq) this.#drop(connection);
        connection.behindSeq = null;
        return;
      }
      connection.behindSeq = event.seq;
      if (!maySee(connection, event) || response.write(event.frame)) continue;
      response.once('drain', () => this.#catchUp(connection));
      return;
    }
  }

  #greet(connection: Connection, lastEventId: string | undefined): void {
    const { ring } = this;
    const resumption = decideResumption(lastEventId, ring);
    if (resumption.kind === 'after') {
      this.send(connection, ': resumed\nretry: 3000\n\n');
      connection.behindSeq = resumption.seq;
      this.#catchUp(connection);
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

function parseStreamRequest(call: RawCall, topics: LiveTopics): Result<StreamRequest, FieldErrors> {
  const parsed = parseRequest(
    { params: undefined, query: querySchema, body: undefined },
    { params: {}, query: call.query, body: undefined },
  );
  if (!parsed.ok) return refuse({ code: 'invalidRequest', errors: parsed.errors });
  const query = querySchema.parse(call.query);
  const chosen = query.topics === undefined ? ok(null) : chooseTopics(query.topics, topics);
  if (!chosen.ok)
    return refuse({
      code: 'invalidRequest',
      errors: [{ pointer: '/query/topics', message: chosen.refusal.message }],
    });
  const header = call.caller.headers['last-event-id'];
  return ok({ topics: chosen.value, lastEventId: typeof header === 'string' ? header : query.lastEventId });
}

interface FieldErrors extends Refusal<'invalidRequest'> {
  readonly errors: readonly FieldError[];
}

/**
 * Server-sent events at `/api/events`. Every announcement goes to each connection that chose its topic and whose
 * account has its permission; ids are `<bootId>-<seq>`, and a connection that names its last one gets what it missed, or the event `reset` when
 * that is no longer known. Notices without id: `hello`, `signedOut`, `dropped`, `closing`.
 */
export function createLiveEvents(options: LiveEventsOptions): LiveEvents {
  const streams = new EventStreams(options);
  const maxConnections = options.maxConnections ?? 200;
  const maxPerSession = options.maxConnectionsPerSession ?? 8;
  const maxPerAccount = options.maxConnectionsPerAccount ?? 16;
  let closed = false;
  const stopBeat = (options.every ?? everyWithTimer)(heartbeatMs, () => void streams.beat());

  const places = new SharedPlaces(maxConnections);
  /** The last places are for accounts that have none yet. */
  const keptPlaces = Math.floor(maxConnections / 10);
  const addressShare = Math.ceil(maxConnections / 3);

  /** Returns the function that gives the place back; null when there is none. */
  const takePlace = ({ caller }: RawCall, { kind, accountId, sessionId }: Principal): (() => void) | null => {
    const { size } = streams.connections;
    if (size >= maxConnections) return null;
    const isScarce = size >= maxConnections - keptPlaces;
    return places.take([
      { name: `session ${sessionId}`, share: maxPerSession },
      { name: `${kind} ${accountId}`, share: isScarce ? 1 : maxPerAccount },
      ...addressHolders(caller, addressShare),
    ]);
  };

  const endpoint: RawEndpoint = {
    path: '/api/events',
    summary: 'What happens now, as server-sent events; resumes after Last-Event-ID',
    description: describeTopics(options.topics),
    tag: 'live',
    access: { signedIn: true },
    ratePerMinute: 120,
    query: querySchema,
    mediaType: 'text/event-stream',
    response: z.string(),
    async serve(call) {
      assert(call.principal !== null, 'live events are for those who are signed in');
      const asked = parseStreamRequest(call, options.topics);
      if (!asked.ok) return { problem: platformProblem('invalidRequest', { errors: asked.refusal.errors }) };
      if (call.caller.method === 'HEAD')
        return { status: 200, headers: { 'Content-Type': 'text/event-stream' }, body: '' };
      if (closed) return { problem: platformProblem('storeBusy', { retryAfterSeconds: 5 }) };
      const leave = takePlace(call, call.principal);
      if (leave === null) {
        streams.refuse(call.principal);
        return { problem: platformProblem('tooManyRequests', { retryAfterSeconds: 30 }) };
      }
      streams.open(call, call.principal, asked.value, leave);
      return null;
    },
  };

  return {
    endpoint,
    announce({ topic, data }) {
      const spec = options.topics[topic];
      assert(spec !== undefined, `the topic ${topic} is not in the table of topics`);
      streams.publish(streams.ring.add(topic, spec.permission, data));
    },
    recheck: () => streams.beat(),
    connectionCount: () => streams.connections.size,
    lost: streams.lost,
    close() {
      closed = true;
      stopBeat();
      for (const connection of streams.connections) streams.end(connection, 'closing', {});
    },
  };
}
