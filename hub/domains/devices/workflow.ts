import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import type { Stale } from '#hub/store/written.ts';
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
import type { Device, DeviceCreate, DevicePatch, TopicRight } from './schema.ts';
import { type RightProblem, rightProblem, type TopicUser } from './topic-rules.ts';

/** Bounds the memory: all devices are kept there, because every message asks for rights. */
const maxDevices = 500;
/** Limits how often `last seen` of a device that comes and goes is written. */
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
type DeviceNotFound = Refusal<'deviceNotFound'>;

export interface NewToken {
  readonly id: string;
  readonly username: string;
  /** 256 bits, base64url. Shown once. */
  readonly token: string;
}

const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();
const newToken = (): string => randomBytes(32).toString('base64url');
/** Compared with when nobody has the name, so that both cases take the same time. */
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

const readBack = async (tx: Transaction, id: string): Promise<DeviceSecretRow> => {
  const row = await findDevice(tx, id);
  assert(row !== null, 'a device that was just written is there');
  return row;
};

const recordDeviceAudit = (tx: Transaction, actor: Actor, action: string, id: string, username: string) =>
  recordAudit(tx, { actor, action, target: { table: 'mqtt_device', id }, payload: { username } });

/** Keeps all devices in memory and changes them in the store; a change counts at once for open connections. */
export class Devices {
  readonly #deps: DeviceDeps;
  readonly #known = new Map<string, Known>();
  readonly #seenAt = new Map<string, number>();
  /** For the broker. */
  readonly handler: DeviceHandler;

  constructor(deps: DeviceDeps) {
    this.#deps = deps;
    this.handler = {
      authenticate: (username, token) => this.#authenticate(username, token),
      find: (username) => this.#known.get(username)?.user ?? null,
      onSeen: (username) => this.#onSeen(username),
    };
  }

  /** Loads the devices from the store. Call it before the broker listens. */
  async start(): Promise<void> {
    for (const row of await findDevices(this.#deps.store.read)) this.#learn(row);
  }

  async list(): Promise<Device[]> {
    return (await findDevices(this.#deps.store.read)).map((row) => this.#deviceToWire(row));
  }

  async get(id: string): Promise<Result<Device, DeviceNotFound>> {
    const row = await findDevice(this.#deps.store.read, id);
    return row === null ? refuse({ code: 'deviceNotFound' }) : ok(this.#deviceToWire(row));
  }

  async create(
    actor: Actor,
    input: DeviceCreate,
  ): Promise<Result<NewToken, Refusal<'deviceUsernameTaken'> | Refusal<'tooManyDevices'> | RightRefused>> {
    const refused = refusedRight(input.rights);
    if (refused !== null) return refuse(refused);
    const id = this.#deps.newId();
    const token = newToken();
    const { username, name, rights, dropsRefused } = input;
    return await this.#deps.store.transact('device.create', async (tx) => {
      if (await isUsernameTaken(tx, username)) return refuse({ code: 'deviceUsernameTaken' });
      if ((await countDevices(tx)) >= maxDevices) return refuse({ code: 'tooManyDevices' });
      await insertDevice(tx, { id, username, name, rights, dropsRefused, tokenHash: hashToken(token) });
      await recordDeviceAudit(tx, actor, 'mqttDevice.create', id, username);
      const row = await readBack(tx, id);
      tx.afterCommit(() => this.#learn(row));
      return ok({ id, username, token });
    });
  }

  async change(
    actor: Actor,
    id: string,
    changes: DevicePatch,
  ): Promise<Result<Device, DeviceNotFound | Stale<Device> | RightRefused>> {
    const refused = refusedRight(changes.rights ?? []);
    if (refused !== null) return refuse(refused);
    return await this.#deps.store.transact('device.change', async (tx) => {
      const before = await findDevice(tx, id);
      if (before === null) return refuse({ code: 'deviceNotFound' });
      if (before.version !== changes.version)
        return refuse({ code: 'staleVersion', current: this.#deviceToWire(before) });
      const name = changes.name ?? before.name;
      const rights = changes.rights ?? before.rights;
      const dropsRefused = changes.dropsRefused ?? before.dropsRefused;
      await updateDevice(tx, id, { name, rights, dropsRefused });
      await recordAudit(tx, {
        actor,
        action: 'mqttDevice.change',
        target: { table: 'mqtt_device', id },
        payload: {
          username: before.username,
          name,
          rights: rights.map((right) => ({ ...right })),
          dropsRefused,
        },
      });
      const row = await readBack(tx, id);
      tx.afterCommit(() => this.#learn(row));
      return ok(this.#deviceToWire(row));
    });
  }

  async renewToken(actor: Actor, id: string): Promise<Result<NewToken, DeviceNotFound>> {
    const token = newToken();
    return await this.#deps.store.transact('device.renewToken', async (tx) => {
      const device = await findDevice(tx, id);
      if (device === null) return refuse({ code: 'deviceNotFound' });
      await saveDeviceToken(tx, id, hashToken(token));
      await recordDeviceAudit(tx, actor, 'mqttDevice.renewToken', id, device.username);
      const row = await readBack(tx, id);
      tx.afterCommit(() => {
        this.#learn(row);
        this.#deps.link.disconnect(device.username);
      });
      return ok({ id, username: device.username, token });
    });
  }

  async remove(actor: Actor, id: string): Promise<Result<null, DeviceNotFound>> {
    const removed = await this.#deps.store.transact('device.remove', async (tx) => {
      const device = await findDevice(tx, id);
      if (device === null) return refuse({ code: 'deviceNotFound' });
      await removeDevice(tx, id);
      await recordDeviceAudit(tx, actor, 'mqttDevice.remove', id, device.username);
      tx.afterCommit(() => {
        this.#known.delete(device.username);
        this.#seenAt.delete(device.username);
      });
      return ok(device.username);
    });
    if (!removed.ok) return removed;
    await this.#deps.link.forget(removed.value);
    return ok(null);
  }

  #authenticate(username: string, token: string): TopicUser | null {
    const device = this.#known.get(username);
    const isRight = timingSafeEqual(device?.tokenHash ?? nobodysHash, hashToken(token));
    return isRight && device !== undefined ? device.user : null;
  }

  #onSeen(username: string): void {
    const { clock, log, store } = this.#deps;
    const device = this.#known.get(username);
    const nowMs = clock.nowMs();
    const before = this.#seenAt.get(username) ?? 0;
    this.#seenAt.set(username, nowMs);
    if (device === undefined || nowMs - before < seenEveryMs) return;
    store
      .transact('device.seen', (tx) => saveDeviceSeen(tx, device.id, nowMs))
      .catch((cause: unknown) => log.warn({ err: cause, username }, 'last seen could not be written'));
  }

  #learn(row: DeviceSecretRow): void {
    const { username, rights, dropsRefused } = row;
    const user = { username, rights, dropsRefused };
    this.#known.set(row.username, { id: row.id, user, tokenHash: row.tokenHash });
  }

  #deviceToWire(row: DeviceSecretRow): Device {
    const { link } = this.#deps;
    const denial = link.lastDenialOf(row.username);
    const lastSeenMs = Math.max(row.lastSeenAtMs ?? 0, this.#seenAt.get(row.username) ?? 0);
    return {
      id: row.id,
      version: row.version,
      createdAt: toIso(row.createdAtMs),
      updatedAt: toIso(row.updatedAtMs),
      username: row.username,
      name: row.name,
      rights: [...row.rights],
      dropsRefused: row.dropsRefused,
      connections: link.connectionsOf(row.username),
      lastSeenAt: lastSeenMs === 0 ? null : toIso(lastSeenMs),
      queued: link.queuedFor(row.username),
      lastDenied:
        denial === null ? null : { at: toIso(denial.atMs), action: denial.action, topic: denial.topic },
    };
  }
}
