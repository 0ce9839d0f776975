import { constants, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { outputRecordBytes, prepareSimState } from '#bridge/gpio/sim-state.ts';
import { hexToBits, parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import { Fault } from '#hub/kernel/result.ts';
import type { Appliance } from '../appliance.ts';
import { decodeOutputRecord } from '../gpio/output-record.ts';

/** Several doors with a reader, a strike and a contact each, on simulated lines. */
export interface SceneDoor {
  readonly key: string;
  readonly d0: number;
  readonly d1: number;
  readonly strike: number;
  readonly contact: number;
}

export const sceneDoors: readonly SceneDoor[] = ['north', 'east', 'south', 'west'].map((key, index) => ({
  key,
  d0: 8 * index,
  d1: 8 * index + 1,
  strike: 8 * index + 2,
  contact: 8 * index + 3,
}));

const portalYaml = (door: SceneDoor): string => `
  - key: ${door.key}
    name: ${door.key} door
    readers:
      - key: ${door.key}-reader
        wiring: { kind: wiegand, d0: ${door.d0}, d1: ${door.d1}, fixedBits: 26 }
    strike: { line: ${door.strike}, failMode: secure }
    contact: { line: ${door.contact} }`;

/** Writes the bridge's configuration for these doors; returns its path. */
export async function writeSceneConfig(directory: string): Promise<string> {
  const file = path.join(directory, 'bridge.yaml');
  const doors = sceneDoors.map(portalYaml).join('');
  await writeFile(file, `gpio: { port: fake }\nclock: { trustSystem: true }\nportals:${doors}\n`);
  return file;
}

interface MemberCard {
  readonly card: string;
  readonly credentialId: string;
}

/** Claims the hub, enrols two cards that open every door, and lets the doors lock as soon as they are opened. */
export async function furnishScene(appliance: Appliance): Promise<readonly [MemberCard, MemberCard]> {
  const [one, other] = ['123:4567', '123:4568'] as const;
  const { memberId, credentialId } = await appliance.furnish(one);
  const enrolled = await appliance.ask('POST', '/api/access-control/credentials', { memberId, card: other });
  const { items } = await appliance.ask('GET', '/api/access-control/portals');
  for (const { id, version } of items as { id: string; version: number }[])
    await appliance.ask('PATCH', `/api/access-control/portals/${id}`, {
      version,
      settings: { accessTimeSeconds: 1, relock: 'onOpen' },
    });
  await appliance.untilApplied();
  return [
    { card: one, credentialId },
    { card: other, credentialId: enrolled.id as string },
  ];
}

/** A change of a strike as it was seen at the lines, outside of every process of the product. */
export interface StrikeMove {
  readonly door: SceneDoor;
  readonly released: boolean;
  /** CLOCK_MONOTONIC. */
  readonly atMs: number;
}

/** Holds the outputs' FIFO open over the life of many bridges and keeps what was driven. */
export function watchStrikes(simulationDir: string): {
  readonly moves: readonly StrikeMove[];
  close(): void;
} {
  const moves: StrikeMove[] = [];
  const { outputs } = prepareSimState(simulationDir);
  const doorByStrike = new Map(sceneDoors.map((door) => [door.strike, door]));
  // Write too, so that the FIFO does not end when a bridge does.
  const fd = openSync(outputs, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  let kept = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const bytes = Buffer.concat([kept, chunk]);
    let at = 0;
    for (; at + outputRecordBytes <= bytes.length; at += outputRecordBytes) {
      const { offset, level, timestampNs } = decodeOutputRecord(bytes, at);
      const door = doorByStrike.get(offset);
      if (door !== undefined)
        moves.push({ door, released: level === 1, atMs: Number(timestampNs / 1000n) / 1000 });
    }
    kept = bytes.subarray(at);
  });
  return { moves, close: () => socket.destroy() };
}

export interface Tap {
  readonly door: SceneDoor;
  /** The card, which may open every door; null: a stranger's. */
  readonly credentialId: string | null;
  /** CLOCK_MONOTONIC of the last bit in the bridge's pipe; null: no bridge was there to see it. */
  readonly atMs: number | null;
}

const bitsOf = (card: string): string => {
  const read = parseCardText(card);
  if (!read.ok) throw new Error(read.refusal.message);
  return hexToBits(read.value.hex, read.value.bits).join('');
};

/** What keeps a tap from the bridge while it is dead or about to die. */
const isNoBridge = (error: unknown): boolean =>
  error instanceof Fault && (error.code === 'panelNoListener' || error.code === 'panelBlocked');

/** People at the doors, one after the other without a pause: members who walk in or do not, and strangers. */
export class Visitors {
  readonly taps: Tap[] = [];
  readonly #appliance: Appliance;
  readonly #cards: readonly [MemberCard, MemberCard];
  readonly #random: () => number;
  readonly #lastCard = new Map<string, number>();
  #stopping = false;
  #running: Promise<void> | null = null;

  constructor(appliance: Appliance, cards: readonly [MemberCard, MemberCard], random: () => number) {
    this.#appliance = appliance;
    this.#cards = cards;
    this.#random = random;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves after the last tap; throws what kept people from tapping. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const door = sceneDoors[Math.floor(this.#random() * sceneDoors.length)];
      if (door !== undefined && !(await this.#visit(door))) await delay(20);
    }
  }

  async #visit(door: SceneDoor): Promise<boolean> {
    const known = this.#random() < 0.75;
    // A card that stays at the reader is one tap; another card is another one.
    const next = this.#lastCard.get(door.key) === 0 ? 1 : 0;
    const member = known ? this.#cards[next] : null;
    const card = member?.card ?? `9:${String(Math.floor(this.#random() * 65_536))}`;
    const lastEdge = await this.#reach({
      tap: { bits: bitsOf(card), d0: door.d0, d1: door.d1, bitIntervalUs: 200 },
    });
    const atMs = lastEdge === null ? null : Number(lastEdge / 1000n) / 1000;
    this.taps.push({ door, credentialId: member?.credentialId ?? null, atMs });
    if (known && atMs !== null) this.#lastCard.set(door.key, next);
    if (known && this.#random() < 0.6) {
      await this.#reach({ line: { offset: door.contact, level: 1 } });
      await this.#reach({ line: { offset: door.contact, level: 0 } });
    }
    return atMs !== null;
  }

  async #reach(command: Parameters<Appliance['panel']>[0]): Promise<bigint | null> {
    try {
      return await this.#appliance.panel(command);
    } catch (error) {
      if (isNoBridge(error)) return null;
      throw error;
    }
  }
}
