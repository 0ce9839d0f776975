import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { deviceSchema } from '#bridge/link/device.ts';
import { openPolicyStore, type StoredPolicy } from '#bridge/policy/store.ts';
import type { BridgeHandler, FromBridgePayload } from '#hub/domains/access/controllers/link.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import { recordBytes } from '#hub/domains/access/policy/record-schema.ts';
import { type Broker, createBroker } from '#hub/mqtt/broker.ts';
import { readKey } from '#hub/platform/files/keys.ts';
import { createLog } from '#hub/platform/log.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { cardBits, setDoor, untilLevel } from '#tests/_support/doors/doors.ts';
import { until } from '#tests/_support/until.ts';

type Ask = FromBridgePayload<'policy-ask'>;
type Applied = FromBridgePayload<'policy-applied'>;

const strike = 17;

/** The real broker in the place of the hub, which answers a bridge's questions as the test says. */
class ScriptedHub {
  readonly asks: Ask[] = [];
  readonly applied: Applied[] = [];
  /** Of the answer under way: is called for each further page that the bridge wants. */
  onNext: (requestId: string, page: number) => void = () => undefined;
  pagesSent = 0;
  readonly #broker: Broker;
  readonly #bridgeId: string;

  private constructor(broker: Broker, bridgeId: string) {
    this.#broker = broker;
    this.#bridgeId = bridgeId;
  }

  static async start(
    appliance: Appliance,
    policy: { epoch: number; revision: number },
  ): Promise<ScriptedHub> {
    const text = await readFile(path.join(appliance.stateDir, 'bridge/device.json'), 'utf8');
    const { bridgeId, token } = deviceSchema.parse(JSON.parse(text));
    const broker = await createBroker({ log: createLog({ level: 'silent' }) });
    const hub = new ScriptedHub(broker, bridgeId);
    const handler: BridgeHandler = {
      authenticate: async (name, given) => (name === bridgeId && given === token ? bridgeId : null),
      onConnected: () => undefined,
      onDisconnected: () => undefined,
      onMessage: {
        hello: async (_id, { journal }) => {
          const welcome = {
            ackedSeq: journal.lastSeq,
            policy,
            wallMs: Date.now(),
            clockTrust: 'ntp',
          } as const;
          broker.send(bridgeId, 'welcome', welcome);
        },
        'policy-ask': async (_id, ask) => void hub.asks.push(ask),
        'policy-next': async (_id, { requestId, page }) => hub.onNext(requestId, page),
        'policy-applied': async (_id, applied) => void hub.applied.push(applied),
        events: async (_id, { journalId, events }) =>
          void broker.send(bridgeId, 'ack', { journalId, seq: events.at(-1)?.seq ?? 0 }),
        reply: async () => undefined,
        state: async () => undefined,
      },
    };
    broker.handledBy(handler);
    await broker.listen(path.join(appliance.stateDir, 'hub/mqtt.sock'));
    return hub;
  }

  sendPage(requestId: string, page: number, records: Uint8Array): void {
    this.pagesSent += 1;
    const text = Buffer.from(records).toString('base64');
    this.#broker.send(this.#bridgeId, 'policy-page', { requestId, page, full: true, records: text });
  }

  sendClose(requestId: string, pages: number, policy: StoredPolicy): void {
    const { version, document } = policy;
    const close = { requestId, full: true, pages, version, document, removed: [] };
    this.#broker.send(this.#bridgeId, 'policy-close', close);
  }

  nudge(version: { epoch: number; revision: number }): void {
    this.#broker.send(this.#bridgeId, 'policy-nudge', version);
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}

describe('a bridge whose hub sends a policy that is none', () => {
  let appliance: Appliance;
  let hub: ScriptedHub | null = null;
  beforeAll(async () => {
    appliance = await Appliance.start();
    await appliance.furnish();
    await setDoor(appliance, 'front', { accessTimeSeconds: 1 });
    await appliance.stop('hub');
  }, 60_000);
  afterEach(async () => {
    await hub?.close();
    hub = null;
  });
  afterAll(() => appliance.close());

  const tap = async (): Promise<string> => {
    await untilLevel(appliance, strike, 0);
    const before = (await readJournalFiles(appliance.stateDir)).length;
    await appliance.panel({ tap: { bits: cardBits('123:4567'), d0: 5, d1: 6 } });
    return until('the decision', async () => {
      const events = (await readJournalFiles(appliance.stateDir)).slice(before);
      return events.find(({ kind }) => kind === 'granted' || kind === 'denied')?.kind;
    });
  };

  it('goes on by the old one, says why, asks again for the whole, and takes a good one', {
    timeout: 60_000,
  }, async () => {
    const directory = path.join(appliance.stateDir, 'bridge');
    const key = await readKey(path.join(directory, 'bridge.key'));
    const old = await openPolicyStore(directory, key).load();
    if (old === null) throw new Error('the bridge has no policy');
    const revision = old.version.revision + 1;
    const { epoch } = old.version;
    const started = await ScriptedHub.start(appliance, { epoch, revision });
    hub = started;
    const question = (count: number): Promise<Ask> =>
      until(`question ${count}`, () => started.asks[count - 1]);
    const refusal = (count: number): Promise<Applied> =>
      until(`report ${count}`, () => started.applied[count - 1]);

    // Page after page, and no end.
    const endless = await question(1);
    expect(endless).toMatchObject({ epoch, revision: revision - 1 });
    const page = new Uint8Array(1000 * recordBytes);
    started.onNext = (requestId, number) => started.sendPage(requestId, number, page);
    started.sendPage(endless.requestId, 0, page);
    expect(await refusal(1)).toMatchObject({ refused: 'incomplete', version: old.version });
    expect(started.pagesSent).toBeGreaterThan(100);
    expect(await tap()).toBe('granted');

    // Whole in form, but not what its hash says: the card's record is not in it.
    const forged = await question(2);
    expect(forged).toMatchObject({ epoch: 0, revision: 0 });
    started.onNext = () => undefined;
    started.sendClose(forged.requestId, 0, {
      ...old,
      version: { epoch, revision, hash: old.version.hash },
    });
    expect(await refusal(2)).toMatchObject({ refused: 'hashMismatch', version: old.version });
    expect(await tap()).toBe('granted');

    // An answer that is cut short at its end.
    started.nudge({ epoch, revision });
    const cut = await question(3);
    started.sendClose(cut.requestId, 1, { ...old, version: { ...old.version, revision } });
    expect(await refusal(3)).toMatchObject({ refused: 'incomplete', version: old.version });
    // And one that nobody asked for.
    started.sendClose('never-asked', 0, old);
    expect(await tap()).toBe('granted');
    expect((await openPolicyStore(directory, key).load())?.version).toEqual(old.version);

    // The card is really gone: that is followed.
    started.nudge({ epoch, revision });
    const good = await question(4);
    const records = new Uint8Array(0);
    const hash = policyHash(recordsSum(records), documentHash(old.document));
    started.sendClose(good.requestId, 0, { ...old, version: { epoch, revision, hash } });
    expect(await refusal(4)).toMatchObject({ refused: null, version: { epoch, revision, hash } });
    expect(await tap()).toBe('denied');
  });
});
