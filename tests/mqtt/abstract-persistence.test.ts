import assert from 'node:assert';
import { Readable } from 'node:stream';
import abstractSuite, { type SuiteContext } from 'aedes-persistence/abstract.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sessionLimits } from '#hub/mqtt/session-limits.ts';
import { SessionPersistence } from '#hub/mqtt/session-persistence.ts';
import { mqttTables } from '#hub/mqtt/session-repository.ts';
import { createLog } from '#hub/platform/log.ts';
import { type MqttStore, openMqttStore } from './support.ts';

let opened: MqttStore;
beforeAll(async () => {
  opened = await openMqttStore();
});
afterAll(async () => {
  await opened.close();
});
beforeEach(async () => {
  await opened.store.transact('empty', async (tx) => {
    for (const table of Object.keys(mqttTables) as (keyof typeof mqttTables)[])
      await tx.local.deleteFrom(table).execute();
  });
});

const open = (): Promise<SessionPersistence> =>
  SessionPersistence.open({
    store: opened.store,
    clock: { nowMs: () => Date.now() },
    log: createLog({ level: 'silent' }),
    limits: sessionLimits,
    mayReceive: () => true,
    maySubscribe: () => true,
  });

/** Runs one test of the suite: its assertions are node's own, and as many as it planned. */
async function runOne(body: (t: SuiteContext) => Promise<void>): Promise<void> {
  let planned: number | undefined;
  let made = 0;
  const counted = Object.fromEntries(
    (['equal', 'notEqual', 'deepEqual', 'ok'] as const).map((name) => [
      name,
      (...values: unknown[]) => {
        made += 1;
        (assert[name] as (...all: unknown[]) => void)(...values);
      },
    ]),
  );
  await body({ plan: (count) => (planned = count), diagnostic: () => undefined, assert: counted });
  expect(made).toBe(planned ?? made);
}

describe("aedes-persistence's abstract tests", () => {
  abstractSuite({
    test: (name, body) => it(name, () => runOne(body)),
    persistence: open,
    testAsync: true,
  });
});

const streams = new Set([
  'createRetainedStream',
  'createRetainedStreamCombi',
  'outgoingStream',
  'streamWill',
  'getClientList',
]);

/** Every call is answered by a persistence that has just been read from the disk: nothing lives in memory alone. */
async function openRereading(): Promise<unknown> {
  let current = await open();
  let broker: { readonly id: string } | null = null;
  const call = async (name: string, values: readonly unknown[]): Promise<unknown> => {
    await current.destroy();
    current = await open();
    if (broker !== null) await current.setup(broker);
    return await Reflect.apply(Reflect.get(current, name), current, values);
  };
  return new Proxy(
    {},
    {
      get(_target, name) {
        if (name === 'then' || typeof name !== 'string') return undefined;
        if (name === 'broker') return broker;
        if (name === 'setup')
          return async (given: { readonly id: string }) => {
            broker = given;
            await current.setup(given);
          };
        if (name === 'destroy') return () => current.destroy();
        if (streams.has(name))
          return (...values: unknown[]) =>
            Readable.from(
              (async function* () {
                yield* (await call(name, values)) as Readable;
              })(),
            );
        return (...values: unknown[]) => call(name, values);
      },
    },
  );
}

describe("aedes-persistence's abstract tests, read anew from SQLite at every call", () => {
  abstractSuite({
    test: (name, body) => it(name, () => runOne(body)),
    persistence: openRereading,
    testAsync: true,
  });
});

it('stores one thousand retained messages of one topic in a few transactions', async () => {
  const persistence = await open();
  for (let count = 0; count < 1000; count += 1)
    await persistence.storeRetained({
      topic: 'hello',
      payload: Buffer.from(`${count}`),
      qos: 0,
      retain: true,
    });
  await persistence.destroy();
  expect(persistence.figures.transactions).toBe(1);
});
