import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { Link } from '#bridge/link/link.ts';
import type { LinkData, ToDoor } from '#bridge/link/messages.ts';
import { openPolicyStore, type StoredPolicy } from '#bridge/policy/store.ts';
import type { BridgeHandler, FromBridgePayload } from '#hub/domains/access/controllers/link.ts';
import {
  type BridgeEvent,
  bridgeEventSchema,
  type FromBridge,
  fromBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import { type Broker, createBroker } from '#hub/mqtt/broker.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { fullGrant, TestTime, waitUntil } from '../fixtures.ts';
import { makePolicy } from '../policy/fixtures.ts';

const log = createLog({ level: 'silent' });
const key = randomBytes(32);
const bridgeId = newId();
const token = 'the token of this bridge';

let folder = '';
let journal: Journal;
let hub: FakeHub | null = null;
let link: Link | null = null;
const told: ToDoor[] = [];

/** The real broker, with a hub behind it that does what the test says. */
class FakeHub {
  readonly broker: Broker;
  readonly got: { name: FromBridge; payload: unknown }[] = [];
  readonly held = new Map<number, BridgeEvent>();
  ackedSeq = 0;
  acks = true;
  policy = { epoch: 1, revision: 0 };
  token = token;
  onAsk: (ask: FromBridgePayload<'policy-ask'>) => void = () => undefined;
  onNext: (next: FromBridgePayload<'policy-next'>) => void = () => undefined;

  private constructor(broker: Broker) {
    this.broker = broker;
  }

  static async start(socket: string): Promise<FakeHub> {
    const made = new FakeHub(await createBroker({ log }));
    const take = (name: FromBridge) => (_bridge: string, payload: unknown) => {
      made.got.push({ name, payload });
      return Promise.resolve();
    };
    const handler: BridgeHandler = {
      authenticate: (username, given) =>
        Promise.resolve(username === bridgeId && given === made.token ? bridgeId : null),
      onConnected: () => undefined,
      onDisconnected: () => undefined,
      onMessage: {
        hello: async (id, hello) => {
          await take('hello')(id, hello);
          made.broker.send(bridgeId, 'welcome', {
            ackedSeq: made.ackedSeq,
            policy: made.policy,
            wallMs: Date.now(),
            clockTrust: 'ntp',
          });
        },
        events: (_id, payload) => {
          for (const event of payload.events)
            if (event.seq === made.ackedSeq + 1) {
              made.held.set(event.seq, bridgeEventSchema.parse(event));
              made.ackedSeq = event.seq;
            }
          if (made.acks)
            made.broker.send(bridgeId, 'ack', { journalId: payload.journalId, seq: made.ackedSeq });
          return Promise.resolve();
        },
        'policy-ask': async (id, ask) => {
          await take('policy-ask')(id, ask);
          made.onAsk(ask);
        },
        'policy-next': async (id, next) => {
          await take('policy-next')(id, next);
          made.onNext(next);
        },
        'policy-applied': take('policy-applied'),
        reply: take('reply'),
        state: take('state'),
      },
    };
    made.broker.handledBy(handler);
    await made.broker.listen(socket);
    return made;
  }

  payloads(name: (typeof fromBridge)[number]): unknown[] {
    return this.got.filter((message) => message.name === name).map((message) => message.payload);
  }

  /** Answers the question under way with a whole policy in one page. */
  answer(requestId: string, policy: StoredPolicy, hash = policy.version.hash): void {
    const records = Buffer.from(policy.records).toString('base64');
    this.broker.send(bridgeId, 'policy-page', { requestId, page: 0, full: true, records });
    this.onNext = () => {
      this.broker.send(bridgeId, 'policy-close', {
        requestId,
        full: true,
        pages: 1,
        version: { ...policy.version, hash },
        document: policy.document,
        removed: [],
      });
    };
  }
}

const socket = (): string => join(folder, 'mqtt.sock');

function startLink(policy: StoredPolicy | null = null): Link {
  const data: LinkData = {
    stateDirectory: join(folder, 'bridge'),
    connection: { kind: 'socket', path: socket() },
    bridgeKey: key,
    journalId: journal.journalId,
    journal: numbers(),
    policy,
    hello: { protocol: 1, bootId: journal.bootId, release: 'test', portals: [], simulated: true },
    clock: { offsetMs: 0, trust: 'ntp' },
    logLevel: 'silent',
    lostLogLines: new Uint32Array(1),
  };
  const made = new Link(
    data,
    (message) => {
      told.push(message);
      // The door thread swaps at once.
      if (message.kind === 'policy') made.receive({ kind: 'swapped', swap: message.swap });
    },
    log,
  );
  return made;
}

const numbers = () => ({
  firstSeq: journal.firstSeq,
  lastSeq: journal.lastSeq,
  syncedSeq: journal.syncedSeq,
});

async function append(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    journal.append(fullGrant({ note: String(journal.lastSeq + 1) }));
    if (done % 1000 === 999) await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
  }
  await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
}

const toldOf = <K extends ToDoor['kind']>(kind: K): (ToDoor & { kind: K })[] =>
  told.filter((message): message is ToDoor & { kind: K } => message.kind === kind);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'link-'));
  mkdirSync(join(folder, 'bridge'));
  writeFileSync(join(folder, 'bridge/device.json'), JSON.stringify({ bridgeId, token }));
  journal = await Journal.open({
    disk: openJournalDisk(join(folder, 'bridge/journal')),
    key,
    bootId: randomUUID(),
    maxBytes: 64 * 1024 * 1024,
    trustedNowMs: () => Date.now(),
    later: new TestTime().later,
  });
  told.length = 0;
});
afterEach(async () => {
  link?.receive({ kind: 'stop' });
  link = null;
  await hub?.broker.close();
  hub = null;
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the link to the hub', () => {
  it('says who it is, takes the time, and delivers what waits, in order and once', async () => {
    await append(3000);
    hub = await FakeHub.start(socket());
    const { held } = hub;
    link = startLink();
    await waitUntil(() => held.size === 3000, 'the delivery');
    expect([...held.keys()]).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
    expect(held.get(1234)).toEqual({ seq: 1234, bootId: journal.bootId, ...fullGrant({ note: '1234' }) });
    expect(hub.payloads('hello')[0]).toMatchObject({ journalId: journal.journalId, policy: null });
    expect(toldOf('hubTime')[0]?.trust).toBe('ntp');
    await waitUntil(() => toldOf('acked').at(-1)?.seq === 3000, 'the acknowledgement');
  });

  it('sends nothing that is not on the medium yet, and each new event soon after it is', async () => {
    hub = await FakeHub.start(socket());
    const { held } = hub;
    link = startLink();
    await waitUntil(() => toldOf('hubTime').length > 0, 'the welcome');
    await append(1);
    expect(held.size).toBe(0);
    link.receive({ kind: 'journal', journal: numbers() });
    await waitUntil(() => held.size === 1, 'the event');
  });

  it('goes on where the hub says after either side was away, also from an older store', async () => {
    hub = await FakeHub.start(socket());
    link = startLink();
    await append(10);
    link.receive({ kind: 'journal', journal: numbers() });
    await waitUntil(() => hub?.held.size === 10, 'the first events');
    await hub.broker.close();
    await waitUntil(() => toldOf('hubGone').length > 0, 'the end of the connection');
    await append(10);
    link.receive({ kind: 'journal', journal: numbers() });
    hub = await FakeHub.start(socket());
    hub.ackedSeq = 4;
    const { held } = hub;
    await waitUntil(() => held.size === 16, 'the rest', 10_000);
    expect([...held.keys()][0]).toBe(5);
  });

  it('sends again what was not acknowledged', { timeout: 15_000 }, async () => {
    hub = await FakeHub.start(socket());
    hub.acks = false;
    const { held } = hub;
    await append(5);
    link = startLink();
    await waitUntil(() => held.size === 5, 'the first delivery');
    expect(toldOf('acked').at(-1)?.seq).toBe(0);
    hub.acks = true;
    await waitUntil(() => toldOf('acked').at(-1)?.seq === 5, 'the acknowledgement', 10_000);
  });

  it('says that the hub holds more than the journal', async () => {
    hub = await FakeHub.start(socket());
    hub.ackedSeq = 70;
    link = startLink();
    await waitUntil(() => toldOf('hubAhead').length > 0, 'the message');
    expect(toldOf('hubAhead')[0]?.seq).toBe(70);
  });

  it('connects as soon as it is paired, and with a new token', { timeout: 20_000 }, async () => {
    rmSync(join(folder, 'bridge/device.json'));
    hub = await FakeHub.start(socket());
    link = startLink();
    await waitUntil(() => toldOf('hubGone').length > 0, 'the notice');
    writeFileSync(join(folder, 'bridge/device.json'), JSON.stringify({ bridgeId, token: 'wrong' }));
    await waitUntil(
      () => toldOf('hubGone').some((gone) => !gone.reason.includes('paired')),
      'the refusal',
      8000,
    );
    writeFileSync(join(folder, 'bridge/device.json'), JSON.stringify({ bridgeId, token }));
    await waitUntil(() => toldOf('hubTime').length > 0, 'the welcome', 8000);
  });

  it('refuses what is no message of the hub, and goes on', async () => {
    hub = await FakeHub.start(socket());
    link = startLink();
    await waitUntil(() => toldOf('hubTime').length > 0, 'the welcome');
    hub.broker.send(bridgeId, 'command', { kind: 'nonsense' } as never);
    hub.broker.send(bridgeId, 'command', {
      kind: 'unlock',
      commandId: 'u',
      portalKey: 'front',
      seconds: 5,
      expiresAtMs: Date.now() + 5000,
    });
    await waitUntil(() => toldOf('command').length > 0, 'the command');
    expect(toldOf('command')[0]?.command).toMatchObject({ kind: 'unlock', commandId: 'u' });
    expect(toldOf('command')[0]?.expiresInMs).toBeGreaterThan(3000);
  });
});

describe('the policy of the hub', () => {
  it('is on the disk before the doors have it', async () => {
    hub = await FakeHub.start(socket());
    hub.policy = { epoch: 1, revision: 1 };
    const policy = makePolicy([{ number: 1 }]);
    hub.onAsk = (ask) => hub?.answer(ask.requestId, policy);
    link = startLink();
    await waitUntil(() => toldOf('policy').length > 0, 'the policy');
    const stored = await openPolicyStore(join(folder, 'bridge'), key).load();
    expect(stored).toEqual(policy);
    expect(toldOf('policy')[0]?.policy.version).toEqual(policy.version);
    await waitUntil(() => hub?.payloads('policy-applied').length === 1, 'the answer');
    expect(hub.payloads('policy-applied')[0]).toMatchObject({ version: policy.version, refused: null });
    expect(toldOf('confirmed').length).toBeGreaterThan(0);
  });

  it('comes within two seconds of the nudge', async () => {
    hub = await FakeHub.start(socket());
    const old = makePolicy([{ number: 1 }]);
    hub.policy = { epoch: 1, revision: 1 };
    link = startLink(old);
    await waitUntil(() => toldOf('confirmed').length > 0, 'the confirmation');
    const revoked = makePolicy([{ number: 1, status: 'lost' }], { revision: 2 });
    hub.onAsk = (ask) => hub?.answer(ask.requestId, revoked);
    const startMs = performance.now();
    hub.broker.send(bridgeId, 'policy-nudge', { epoch: 1, revision: 2 });
    await waitUntil(() => toldOf('policy').length > 0, 'the policy', 2000);
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(hub.payloads('policy-ask')[0]).toMatchObject({ epoch: 1, revision: 1, digestKeyId: 'key-1' });
  });

  it('is dropped for a wrong hash and asked for again, whole', async () => {
    hub = await FakeHub.start(socket());
    hub.policy = { epoch: 1, revision: 2 };
    const policy = makePolicy([{ number: 1 }, { number: 2 }], { revision: 2 });
    let asked = 0;
    hub.onAsk = (ask) => {
      asked += 1;
      hub?.answer(ask.requestId, policy, asked === 1 ? 'b'.repeat(64) : undefined);
    };
    link = startLink(makePolicy([{ number: 1 }]));
    await waitUntil(() => toldOf('policy').length > 0, 'the policy');
    expect(hub.payloads('policy-ask')).toMatchObject([{ revision: 1 }, { epoch: 0, revision: 0 }]);
    expect(hub.payloads('policy-applied')[0]).toMatchObject({
      version: { revision: 1 },
      refused: 'hashMismatch',
    });
    expect(toldOf('policyRefused').map((message) => message.code)).toEqual(['hashMismatch']);
  });

  it('is not used while it cannot be written', async () => {
    hub = await FakeHub.start(socket());
    hub.policy = { epoch: 1, revision: 1 };
    hub.onAsk = (ask) => hub?.answer(ask.requestId, makePolicy([{ number: 1 }]));
    // A folder in the place of the file cannot be replaced by it.
    mkdirSync(join(folder, 'bridge/policy.bin'));
    link = startLink();
    await waitUntil(() => hub?.payloads('policy-applied').length === 1, 'the refusal');
    expect(hub.payloads('policy-applied')[0]).toMatchObject({ version: null, refused: 'notWritten' });
    expect(toldOf('policy')).toEqual([]);
  });

  it('lets a person approve what was withheld after a restore, and keeps that over a restart', async () => {
    hub = await FakeHub.start(socket());
    hub.policy = { epoch: 2, revision: 1 };
    hub.onAsk = (ask) => hub?.answer(ask.requestId, makePolicy([{ number: 1 }], { epoch: 2 }));
    link = startLink(makePolicy([{ number: 1, status: 'lost' }]));
    await waitUntil(() => toldOf('policy').length === 1, 'the policy');
    const withheld = toldOf('policy')[0]?.policy.withheldIds ?? [];
    expect(withheld).toHaveLength(1);
    await waitUntil(() => hub?.payloads('policy-applied').length === 1, 'the answer');
    expect(hub.payloads('policy-applied')[0]).toMatchObject({ withheldCredentialIds: withheld });
    const approve = (commandId: string) =>
      hub?.broker.send(bridgeId, 'command', {
        kind: 'approve',
        commandId,
        credentialIds: [...withheld],
        expiresAtMs: Date.now() + 5000,
      });
    approve('a');
    await waitUntil(() => hub?.payloads('reply').length === 1, 'the reply');
    expect(hub.payloads('reply')[0]).toEqual({ commandId: 'a', outcome: { kind: 'done' } });
    expect(toldOf('policy').at(-1)?.policy.withheldIds).toEqual([]);
    expect((await openPolicyStore(join(folder, 'bridge'), key).load())?.withheldIds).toEqual([]);
    approve('again');
    await waitUntil(() => hub?.payloads('reply').length === 2, 'the second reply');
    expect(toldOf('policy')).toHaveLength(2);
  });
});
