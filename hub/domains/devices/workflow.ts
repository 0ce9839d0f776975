import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import type { DeviceHandler, DeviceLink } from './device-link.ts';
import {
  countDevices,
  type DeviceSecretRow,
  findDevice,
  findDevices,
  insertDevice,
  isUsernameTaken,
  removeDevice,
  saveDeviceSeen,
  saveDeviceToken,
  updateDevice,
} from './repository.ts';
import type { Device, DeviceChanges, NewDevice, TopicRight } from './schema.ts';
import { type RightProblem, rightProblem, type TopicUser } from './topic-rules.ts';

/** All of them are in memory, because every message asks for rights. */
const maxDevices = 500;
/** `last seen` of a device that comes and goes is written no more often. */
const seenEveryMs = 10 * 60_000;

export interface DeviceDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly link: DeviceLink;
}

export interface RightRefused extends Refusal<'rightInvalid'> {
  readonly filter: string;
  readonly problem: RightProblem;
}
export interface StaleDevice extends Refusal<'staleVersion'> {
  readonly current: Device;
}
type DeviceNotFound = Refusal<'deviceNotFound'>;

export interface NewToken {
  readonly id: string;
  readonly username: string;
  /** 256 bits, base64url. Shown once. */
  readonly token: string;
}

export interface Devices {
  /** For the broker. */
  readonly handler: DeviceHandler;
  /** Reads them from the store; before the broker listens. */
  start(): Promise<void>;
  list(): Promise<Device[]>;
  get(id: string): Promise<Result<Device, DeviceNotFound>>;
  create(
    actor: Actor,
    input: NewDevice,
  ): Promise<Result<NewToken, Refusal<'deviceUsernameTaken'> | Refusal<'tooManyDevices'> | RightRefused>>;
  change(
    actor: Actor,
    id: string,
    changes: DeviceChanges,
  ): Promise<Result<Device, DeviceNotFound | StaleDevice | RightRefused>>;
  renewToken(actor: Actor, id: string): Promise<Result<NewToken, DeviceNotFound>>;
  remove(actor: Actor, id: string): Promise<Result<null, DeviceNotFound>>;
}

const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();
const newToken = (): string => randomBytes(32).toString('base64url');
/** Looked at when nobody has the name, so that both take the same time. */
const nobodysHash = hashToken(newToken());

function refusedRight(rights: readonly TopicRight[]): RightRefused | null {
  for (const right of rights) {
    const problem = rightProblem(right);
    if (problem !== null) return { code: 'rightInvalid', filter: right.filter, problem };
  }
  return null;
}

interface Known {
  readonly id: string;
  readonly user: TopicUser;
  readonly tokenHash: Uint8Array;
}

export function createDevices(deps: DeviceDeps): Devices {
  const { store, clock, log, link } = deps;
  const known = new Map<string, Known>();
  const seenAt = new Map<string, number>();

  const learn = (row: DeviceSecretRow): void => {
    const user = { username: row.username, rights: row.rights };
    known.set(row.username, { id: row.id, user, tokenHash: row.tokenHash });
  };

  const toWire = (row: DeviceSecretRow): Device => {
    const denial = link.lastDenialOf(row.username);
    const lastSeenMs = Math.max(row.lastSeenAtMs ?? 0, seenAt.get(row.username) ?? 0);
    return {
      id: row.id,
      version: row.version,
      createdAt: toIso(row.createdAtMs),
      updatedAt: toIso(row.updatedAtMs),
      username: row.username,
      name: row.name,
      rights: [...row.rights],
      connections: link.connectionsOf(row.username),
      lastSeenAt: lastSeenMs === 0 ? null : toIso(lastSeenMs),
      queued: link.queuedFor(row.username),
      lastDenied:
        denial === null ? null : { at: toIso(denial.atMs), action: denial.action, topic: denial.topic },
    };
  };

  const show = async (tx: Transaction, id: string): Promise<DeviceSecretRow> => {
    const row = await findDevice(tx, id);
    assert(row !== null, 'a device that was just written is there');
    return row;
  };

  const audit = (tx: Transaction, actor: Actor, action: string, id: string, username: string) =>
    recordAudit(tx, { actor, action, target: { table: 'mqtt_device', id }, payload: { username } });

  const handler: DeviceHandler = {
    authenticate(username, token) {
      const device = known.get(username);
      const isRight = timingSafeEqual(device?.tokenHash ?? nobodysHash, hashToken(token));
      return isRight && device !== undefined ? device.user : null;
    },
    find: (username) => known.get(username)?.user ?? null,
    onSeen(username) {
      const device = known.get(username);
      const nowMs = clock.nowMs();
      const before = seenAt.get(username) ?? 0;
      seenAt.set(username, nowMs);
      if (device === undefined || nowMs - before < seenEveryMs) return;
      store
        .transact('device.seen', (tx) => saveDeviceSeen(tx, device.id, nowMs))
        .catch((cause: unknown) => log.warn({ err: cause, username }, 'last seen could not be written'));
    },
  };

  return {
    handler,

    async start() {
      for (const row of await findDevices(store.read)) learn(row);
    },

    list: async () => (await findDevices(store.read)).map(toWire),

    async get(id) {
      const row = await findDevice(store.read, id);
      return row === null ? refuse({ code: 'deviceNotFound' }) : ok(toWire(row));
    },

    async create(actor, input) {
      const refused = refusedRight(input.rights);
      if (refused !== null) return refuse(refused);
      const id = deps.newId();
      const token = newToken();
      const { username, name, rights } = input;
      return await store.transact('device.create', async (tx) => {
        if (await isUsernameTaken(tx, username)) return refuse({ code: 'deviceUsernameTaken' });
        if ((await countDevices(tx)) >= maxDevices) return refuse({ code: 'tooManyDevices' });
        await insertDevice(tx, { id, username, name, rights, tokenHash: hashToken(token) });
        await audit(tx, actor, 'mqttDevice.create', id, username);
        const row = await show(tx, id);
        tx.afterCommit(() => learn(row));
        return ok({ id, username, token });
      });
    },

    async change(actor, id, changes) {
      const refused = refusedRight(changes.rights ?? []);
      if (refused !== null) return refuse(refused);
      return await store.transact('device.change', async (tx) => {
        const before = await findDevice(tx, id);
        if (before === null) return refuse({ code: 'deviceNotFound' });
        if (before.version !== changes.version)
          return refuse({ code: 'staleVersion', current: toWire(before) });
        const name = changes.name ?? before.name;
        const rights = changes.rights ?? before.rights;
        await updateDevice(tx, id, { name, rights });
        await recordAudit(tx, {
          actor,
          action: 'mqttDevice.change',
          target: { table: 'mqtt_device', id },
          payload: { username: before.username, name, rights: rights.map((right) => ({ ...right })) },
        });
        const row = await show(tx, id);
        tx.afterCommit(() => learn(row));
        return ok(toWire(row));
      });
    },

    async renewToken(actor, id) {
      const token = newToken();
      return await store.transact('device.renewToken', async (tx) => {
        const device = await findDevice(tx, id);
        if (device === null) return refuse({ code: 'deviceNotFound' });
        await saveDeviceToken(tx, id, hashToken(token));
        await audit(tx, actor, 'mqttDevice.renewToken', id, device.username);
        const row = await show(tx, id);
        tx.afterCommit(() => {
          learn(row);
          link.disconnect(device.username);
        });
        return ok({ id, username: device.username, token });
      });
    },

    async remove(actor, id) {
      const removed = await store.transact('device.remove', async (tx) => {
        const device = await findDevice(tx, id);
        if (device === null) return refuse({ code: 'deviceNotFound' });
        await removeDevice(tx, id);
        await audit(tx, actor, 'mqttDevice.remove', id, device.username);
        tx.afterCommit(() => {
          known.delete(device.username);
          seenAt.delete(device.username);
        });
        return ok(device.username);
      });
      if (!removed.ok) return removed;
      await link.forget(removed.value);
      return ok(null);
    },
  };
}
