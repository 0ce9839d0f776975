import { type ClockTrust, isClockTrusted } from '#hub/kernel/time.ts';
import type { AccessEventKind } from '../schema.ts';

/** A card at a door. */
export interface Sighting {
  readonly eventId: string;
  readonly credentialId: string;
  readonly portalId: string;
  /** By the bridge's clock, UTC ms. */
  readonly atMs: number;
}

/** One card at two doors sooner than anybody gets from one to the other. */
export interface ImpossibleWay {
  readonly from: Pick<Sighting, 'portalId' | 'atMs'>;
  readonly to: Pick<Sighting, 'portalId' | 'atMs'>;
  /** The way takes at least so long. */
  readonly walkSeconds: number;
}

interface DoorEvent {
  readonly id: string;
  readonly kind: AccessEventKind;
  readonly credentialId: string | null;
  readonly portalId: string | null;
  readonly atMs: number;
  readonly clockTrust: ClockTrust;
}

/** Where and when cards were held to readers, whether granted or denied; not where the time is not sure. */
export const sightingsIn = (events: readonly DoorEvent[]): Sighting[] =>
  events.flatMap(({ id, kind, credentialId, portalId, atMs, clockTrust }) => {
    if (kind !== 'granted' && kind !== 'denied') return [];
    if (credentialId === null || portalId === null || !isClockTrusted(clockTrust)) return [];
    return [{ eventId: id, credentialId, portalId, atMs }];
  });

/**
 * The first way among sightings of one card that nobody can have gone. Only neighbours in time count, and only ways that
 * begin or end at a sighting that is new: what somebody has looked into already does not come up again.
 * @param walkSeconds seconds from each door to the nearest other one; the way between two takes at least the longer
 */
export function findImpossibleWay(
  sightings: readonly Sighting[],
  isNew: (sighting: Sighting) => boolean,
  walkSeconds: ReadonlyMap<string, number>,
): ImpossibleWay | null {
  const inTime = [...sightings].sort((left, right) => left.atMs - right.atMs);
  for (const [index, to] of inTime.entries()) {
    const from = inTime[index - 1];
    if (from === undefined || from.portalId === to.portalId || !(isNew(from) || isNew(to))) continue;
    const needed = Math.max(walkSeconds.get(from.portalId) ?? 0, walkSeconds.get(to.portalId) ?? 0);
    if (to.atMs - from.atMs < needed * 1000) return { from, to, walkSeconds: needed };
  }
  return null;
}
