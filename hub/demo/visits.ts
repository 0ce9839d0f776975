import type { PolicyDocument, PolicyPortal } from '#hub/domains/access/decide/policy-schema.ts';
import { decideAccess } from '#hub/domains/access/decide/rules.ts';
import { plannedModeAt } from '#hub/domains/access/decide/schedule-rules.ts';
import type { DenyReason } from '#hub/domains/access/schema.ts';
import { assert } from '#hub/kernel/result.ts';
import { type ClockTrust, offsetMinutesAt } from '#hub/kernel/time.ts';
import type { Chance } from './chance.ts';
import type { Happening } from './journal.ts';
import type { DemoCard, DemoMember, Roster } from './roster.ts';
import type { DoorKey } from './space.ts';

const minuteMs = 60_000;

/** A disturbance at the bridge and how long it lasts. */
export interface Trouble {
  readonly fromMs: number;
  readonly untilMs: number;
  /** `hubAway`: no word from the hub. `noTime`: after a power cut. `diskFull`: the journal cannot be written. */
  readonly kind: 'hubAway' | 'noTime' | 'diskFull';
}

/** The policy that the doors hold on one day, and what is wrong on it. */
export interface DayAtTheDoors {
  readonly document: PolicyDocument;
  readonly version: { readonly epoch: number; readonly revision: number };
  readonly troubles: readonly Trouble[];
  readonly roster: Roster;
}

/** Comings and goings by the hour, for people with each habit; the space is busiest in the evening. */
const hourWeights = {
  morning: [0, 0, 0, 0, 0, 0, 1, 2, 5, 9, 14, 14, 10, 6, 4, 3, 2, 2, 1, 1, 1, 0, 0, 0],
  afternoon: [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 5, 7, 10, 13, 14, 12, 9, 6, 3, 2, 1, 0, 0],
  evening: [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3, 4, 6, 10, 14, 17, 16, 12, 7, 3, 2],
} as const;
/** Monday to Sunday. */
const weekdayWeights = [0.85, 1, 1.15, 1.05, 1.1, 1.25, 0.7] as const;
/** January to December: winter is long, in August everybody is away. */
const monthWeights = [1.2, 1.15, 1.1, 1, 0.9, 0.85, 0.75, 0.7, 0.95, 1.1, 1.2, 0.9] as const;

/** How busy a day is, compared with an average one. `date` is local, ISO. */
export function busynessOf(date: string): number {
  const day = new Date(`${date}T12:00:00Z`);
  return (weekdayWeights[(day.getUTCDay() + 6) % 7] ?? 1) * (monthWeights[day.getUTCMonth()] ?? 1);
}

/** Reasons that people know of beforehand; a lapsed membership or a hold they often learn of at the door. */
const foreseen: ReadonlySet<DenyReason> = new Set(['timeWindow', 'openingHours', 'holiday', 'noPermission']);

const innerDoors: readonly { readonly key: DoorKey; readonly share: number }[] = [
  { key: 'workshop', share: 0.62 },
  { key: 'laser', share: 0.24 },
  { key: 'metal', share: 0.13 },
  { key: 'storage', share: 0.22 },
  { key: 'office', share: 0.02 },
];

/** Makes what happens at the doors of one day, decided as the doors decide. */
export class Doorkeeper {
  readonly #chance: Chance;
  readonly #day: DayAtTheDoors;
  readonly #portals: ReadonlyMap<string, PolicyPortal>;
  readonly happenings: Happening[] = [];

  constructor(chance: Chance, day: DayAtTheDoors) {
    this.#chance = chance;
    this.#day = day;
    this.#portals = new Map(day.document.portals.map((portal) => [portal.key, portal]));
  }

  /** UTC ms of a local time of day, at a random second of the hour. */
  momentIn(date: string, hour: number): number {
    const localMs = Date.parse(`${date}T00:00:00Z`) + (hour + this.#chance.next()) * 60 * minuteMs;
    return Math.round(localMs - offsetMinutesAt(this.#day.document.zone, localMs) * minuteMs);
  }

  #trouble(kind: Trouble['kind'], atMs: number): Trouble | undefined {
    return this.#day.troubles.find(
      (trouble) => trouble.kind === kind && atMs >= trouble.fromMs && atMs < trouble.untilMs,
    );
  }

  clockTrustAt = (atMs: number): ClockTrust =>
    this.#trouble('noTime', atMs) === undefined ? 'ntp' : 'restored';

  #say(happening: Happening): Happening {
    this.happenings.push({ ...happening, clockTrust: this.clockTrustAt(happening.wallMs) });
    return this.happenings.at(-1) ?? happening;
  }

  #decide(key: DoorKey, card: DemoCard | null, atMs: number) {
    const portal = this.#portals.get(key);
    assert(portal !== undefined, `there is a door ${key}`);
    const facts = card === null ? undefined : this.#day.roster.factsOf(card);
    const hubAway = this.#trouble('hubAway', atMs);
    const mode = plannedModeAt(portal, this.#day.document.zone, atMs);
    const decision = decideAccess(this.#day.document, portal, facts, {
      wallMs: atMs,
      clockTrust: this.clockTrustAt(atMs),
      policyAgeMs: hubAway === undefined ? 20_000 : atMs - hubAway.fromMs,
      mode,
      journalWritable: this.#trouble('diskFull', atMs) === undefined,
    });
    return { decision, facts, mode };
  }

  /** Holds a card to the reader of a door: whether it opened. `card` null is one that nobody knows here. */
  tap(key: DoorKey, card: DemoCard | null, atMs: number): Happening {
    const { decision, facts, mode } = this.#decide(key, card, atMs);
    const { epoch, revision } = this.#day.version;
    return this.#say({
      kind: decision.granted ? 'granted' : 'denied',
      wallMs: atMs,
      portalKey: key,
      readerKey: `${key}-reader`,
      mode,
      checks: [...decision.checks],
      digest: card?.digest ?? this.#chance.hex(16),
      ...(facts === undefined ? {} : { credentialId: facts.credentialId, memberId: facts.memberId }),
      ...(decision.reason === null ? {} : { reason: decision.reason }),
      ...(decision.ruleId === null ? {} : { ruleId: decision.ruleId }),
      policyEpoch: epoch,
      policyRevision: revision,
    });
  }

  /** A tap and, when it opened the door, what became of the door. */
  pass(key: DoorKey, card: DemoCard | null, atMs: number): boolean {
    const tap = this.tap(key, card, atMs);
    if (tap.kind === 'granted') this.#goThrough(key, tap, atMs);
    else if (this.#chance.isIn(0.35)) this.tap(key, card, atMs + this.#chance.between(4000, 20_000));
    return tap.kind === 'granted';
  }

  #goThrough(key: DoorKey, follows: Happening, atMs: number): void {
    const chance = this.#chance;
    if (chance.isIn(0.025)) {
      this.#fact('notEntered', key, atMs + 5000, follows);
      return;
    }
    const openMs = atMs + chance.between(900, 4200);
    this.#fact('entered', key, openMs, follows);
    // Somebody carries sheets of plywood in.
    if (chance.isIn(0.004)) this.#standOpen(key, openMs, chance.between(20, 600) * 1000);
  }

  #standOpen(key: DoorKey, openMs: number, forMs: number): void {
    const { heldOpenSeconds, preAlarmSeconds } = this.#portals.get(key)?.settings ?? {
      heldOpenSeconds: 30,
      preAlarmSeconds: 10,
    };
    const warnMs = (heldOpenSeconds - preAlarmSeconds) * 1000;
    if (forMs < warnMs) return;
    this.#fact('preAlarm', key, openMs + warnMs);
    if (forMs < heldOpenSeconds * 1000) return;
    const alarm = this.#fact('heldOpen', key, openMs + heldOpenSeconds * 1000);
    this.#fact('restored', key, openMs + forMs, alarm);
  }

  #fact(
    kind:
      | 'entered'
      | 'notEntered'
      | 'egress'
      | 'forcedOpen'
      | 'heldOpen'
      | 'preAlarm'
      | 'restored'
      | 'tamper'
      | 'tamperEnded',
    key: DoorKey,
    atMs: number,
    follows?: Happening,
  ): Happening {
    const fact = { kind, wallMs: atMs, portalKey: key, mode: 'controlled' } as const;
    return this.#say(follows === undefined ? fact : { ...fact, follows });
  }

  /** A member comes, works in some of the rooms, and leaves. */
  visit(member: DemoMember, date: string): void {
    const chance = this.#chance;
    const card = this.#cardOf(member);
    if (card === null) return;
    const come = (): number => this.momentIn(date, chance.weighted(hourWeights[member.biography.habit]));
    let atMs = come();
    // Most people know their hours, and which doors are theirs.
    for (let tries = 0; tries < 3 && !this.#opens('front', card, atMs); tries += 1) atMs = come();
    const { reason } = this.#decide('front', card, atMs).decision;
    if (reason !== null && foreseen.has(reason) && chance.isIn(0.75)) return;
    if (!this.pass('front', card, atMs)) return;
    let insideMs = atMs;
    for (const { key, share } of innerDoors) {
      if (!chance.isIn(share)) continue;
      insideMs += chance.between(1, 25) * minuteMs;
      if (this.#opens(key, card, insideMs) || chance.isIn(0.1)) this.pass(key, card, insideMs);
    }
    const outMs = insideMs + chance.between(15, 200) * minuteMs;
    if (chance.isIn(0.8)) this.#fact('egress', 'front', outMs);
  }

  #opens(key: DoorKey, card: DemoCard, atMs: number): boolean {
    return this.#decide(key, card, atMs).decision.granted;
  }

  /** Their newest card; now and then one that was given up and turned up again. */
  #cardOf(member: DemoMember): DemoCard | null {
    const { cards } = member;
    const old = cards.length > 1 && this.#chance.isIn(0.04) ? cards[0] : undefined;
    return old ?? cards.at(-1) ?? null;
  }

  /** A member comes while something is wrong, to the door where it shows. */
  meetTrouble({ kind, fromMs, untilMs }: Trouble, member: DemoMember | null): void {
    const card = member?.cards.at(-1);
    if (card === undefined) return;
    const key = kind === 'hubAway' ? 'storage' : this.#chance.pick(['front', 'office'] as const);
    // A policy is too old only after half a day.
    const earliestMs = kind === 'hubAway' ? fromMs + 13 * 3_600_000 : fromMs;
    this.pass(key, card, this.#chance.between(earliestMs, untilMs - 1));
  }

  meetLockedDoor(key: DoorKey, date: string, member: DemoMember | null): void {
    const card = member?.cards.at(-1);
    if (card !== undefined) this.pass(key, card, this.momentIn(date, this.#chance.between(12, 19)));
  }

  /** Somebody with a card of elsewhere: a bus pass, a hotel's key. */
  stranger(date: string): void {
    const atMs = this.momentIn(date, this.#chance.weighted(hourWeights.afternoon));
    this.pass(this.#chance.isIn(0.85) ? 'front' : 'workshop', null, atMs);
  }

  /** Staff let a delivery in from the page. */
  remoteUnlock(date: string): void {
    const atMs = this.momentIn(date, this.#chance.between(9, 20));
    const granted = this.#say({
      kind: 'remoteGranted',
      wallMs: atMs,
      portalKey: 'front',
      mode: 'controlled',
      commandId: this.#chance.uuid(),
    });
    this.#goThrough('front', granted, atMs);
  }

  badRead(date: string): void {
    const wallMs = this.momentIn(date, this.#chance.between(9, 21));
    const key = this.#chance.isIn(0.8) ? 'front' : 'laser';
    const count = this.#chance.between(1, 4);
    this.#say({ kind: 'readFault', wallMs, portalKey: key, readerKey: `${key}-reader`, count });
  }

  /** The lock did not hold, or the door was not quite shut. */
  forced(date: string): void {
    const atMs = this.momentIn(date, this.#chance.between(0, 23));
    const key: DoorKey = this.#chance.isIn(0.7) ? 'front' : 'storage';
    const alarm = this.#fact('forcedOpen', key, atMs);
    this.#fact('restored', key, atMs + this.#chance.between(4000, 240_000), alarm);
  }

  tamper(date: string): void {
    const atMs = this.momentIn(date, this.#chance.between(1, 5));
    const alarm = this.#fact('tamper', 'front', atMs);
    this.#fact('tamperEnded', 'front', atMs + this.#chance.between(30_000, 900_000), alarm);
  }

  /** The controller starts without knowing the time, and learns it later. */
  powerCut({ fromMs, untilMs }: Trouble): void {
    this.#say({ kind: 'boot', wallMs: fromMs, note: 'Started; the journal is in order' });
    this.#say({ kind: 'clockChanged', wallMs: untilMs, note: 'restored -> ntp, +4213 ms' });
  }

  gap({ untilMs }: Trouble): void {
    const count = this.#chance.between(2, 9);
    this.#say({ kind: 'journalGap', wallMs: untilMs - 1000, count, note: 'No space left on the disk' });
  }

  /** The doors took over what changed at the hub. */
  policyApplied(atMs: number): void {
    const { epoch, revision } = this.#day.version;
    this.#say({ kind: 'policyApplied', wallMs: atMs, policyEpoch: epoch, policyRevision: revision });
  }

  modeChanged(key: DoorKey, atMs: number, mode: 'lockdown' | 'controlled'): void {
    this.#say({ kind: 'modeChanged', wallMs: atMs, portalKey: key, mode });
  }
}
