import type { PortalConfig } from '#bridge/config.ts';
import type { JournalEntry } from '#bridge/journal/entry.ts';
import type { GpioPort, Later } from '#bridge/ports.ts';
import { buzzerSignals, ledSignals, type ReaderSignal } from '#bridge/readers/feedback.ts';
import { isSerial, serialKindOf } from '#bridge/readers/registry.ts';
import type { BridgeState } from '#hub/domains/access/controllers/link-schema.ts';
import type { PolicyPortal } from '#hub/domains/access/decide/policy-schema.ts';
import { scheduledModeAt } from '#hub/domains/access/decide/schedule-rules.ts';
import {
  defaultPortalSettings,
  type PortalMode,
  type PortalSettings,
  type PortalState,
} from '#hub/domains/access/schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import { isClockTrusted, type ZoneOffsets } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { newPortal, restingSignals, stepPortal } from './portal.ts';
import { type Portal, type PortalEffect, type PortalInput, type PortalRules } from './portal-state.ts';
import { SignalPlayer } from './signal-player.ts';

/** An event of a door; time and clock trust are added when it is journaled. */
export type DoorEntry = Omit<JournalEntry, 'wallMs' | 'clockTrust' | 'monotonicMs'>;

export interface DoorDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly gpio: Pick<GpioPort, 'read' | 'write'>;
  /** The number in the journal, or null when there was no room. */
  readonly append: (entry: DoorEntry) => number | null;
  readonly onChange: () => void;
  /** Drives the lamp or buzzer of a reader on a serial line. */
  readonly signalReader: (readerKey: string, signal: ReaderSignal) => void;
  /** An output could not be driven. */
  readonly onOutputFault: (portalKey: string, error: unknown) => void;
}

/**
 * The level (after active-low) that keeps the door locked. Current locks a fail-safe lock and releases a fail-secure
 * one.
 */
export const lockedLevel = (failMode: 'secure' | 'safe'): 0 | 1 => (failMode === 'secure' ? 0 : 1);
const releasedLevel = (failMode: 'secure' | 'safe'): 0 | 1 => (failMode === 'secure' ? 1 : 0);

/** The lamps and buzzers at one reader. */
interface ReaderLights {
  readonly key: string;
  readonly led: SignalPlayer | null;
  readonly buzzer: SignalPlayer | null;
  /** The reader has lamp and buzzer of its own, driven over its serial line. */
  readonly hasOwn: boolean;
}
type DoorSignal = ['led', keyof typeof ledSignals] | ['buzzer', keyof typeof buzzerSignals];

/** One door: its state machine, wired to its lines, its lamp, its buzzer and the journal. */
export class Door {
  readonly key: string;
  readonly #wiring: PortalConfig;
  readonly #deps: DoorDeps;
  readonly #readers: readonly ReaderLights[];
  #portal: Portal;
  #settings: PortalSettings = defaultPortalSettings;
  #policyPortal: PolicyPortal | null = null;
  #zone: ZoneOffsets | null = null;
  #cancelTimer: (() => void) | null = null;
  #passageSeq: number | null = null;
  #alarmSeq: number | null = null;
  /** The open tamper alarms in the journal, by their source. */
  readonly #tamperSeqs = new Map<string, number | null>();

  constructor(wiring: PortalConfig, deps: DoorDeps) {
    this.key = wiring.key;
    this.#wiring = wiring;
    this.#deps = deps;
    this.#portal = newPortal(deps.clock.monotonicMs());
    const player = (wire: { readonly line: number } | undefined): SignalPlayer | null =>
      wire === undefined ? null : new SignalPlayer((level) => this.#drive(wire.line, level), deps.later);
    this.#readers = wiring.readers.map((reader) => ({
      key: reader.key,
      led: player(reader.led),
      buzzer: player(reader.buzzer),
      hasOwn: isSerial(reader.wiring) && serialKindOf(reader.wiring).hasSignals,
    }));
  }

  get mode(): PortalMode {
    return this.#portal.mode;
  }

  get state(): PortalState {
    return this.#portal.state;
  }

  get settings(): PortalSettings {
    return this.#settings;
  }

  /** This door in the policy; null: the hub does not know it, or there is no policy. */
  get policyPortal(): PolicyPortal | null {
    return this.#policyPortal;
  }

  /** Reads the input levels, which a restart does not remember. */
  readInputs(): void {
    const { contact, rex, tamper } = this.#wiring;
    const { gpio } = this.#deps;
    if (contact !== undefined) this.#onContactLevel(gpio.read(contact.line));
    if (tamper !== undefined) this.noteTamper('', gpio.read(tamper.line) === 1);
    if (rex !== undefined) this.step({ kind: 'rex', active: gpio.read(rex.line) === 1 });
  }

  /** True when the line is one of this door's inputs. */
  onLevel(line: number, level: 0 | 1): boolean {
    const { contact, rex, tamper } = this.#wiring;
    if (line === contact?.line) this.#onContactLevel(level);
    else if (line === rex?.line) this.step({ kind: 'rex', active: level === 1 });
    else if (line === tamper?.line) this.noteTamper('', level === 1);
    else return false;
    return true;
  }

  /** Notes one of several tamper switches. `source`: the key of a reader; empty: the switch on a line of its own. */
  noteTamper(source: string, active: boolean): void {
    this.step({ kind: 'tamper', source, active });
  }

  #onContactLevel(level: 0 | 1): void {
    const openLevel = this.#wiring.contact?.openLevel ?? 1;
    this.step({ kind: 'contact', open: level === openLevel });
  }

  /** Applies a new policy: settings from the next step on, override and schedule at once. */
  applyPolicy(portal: PolicyPortal | null, zone: ZoneOffsets | null): void {
    const wasObserving = this.#settings.observe;
    this.#policyPortal = portal;
    this.#zone = zone;
    this.#settings = portal?.settings ?? defaultPortalSettings;
    if (this.#settings.observe && !wasObserving) this.#rest();
    this.refreshMode();
    if (!wasObserving || this.#settings.observe) return;
    this.#driveStrike(this.#portal.released);
    this.showState();
  }

  /** Applies schedule and override as of now. Without a trusted clock no schedule opens or closes a door. */
  refreshMode(): void {
    const { clock } = this.#deps;
    const portal = this.#policyPortal;
    const trusted = isClockTrusted(clock.trust());
    const wallMs = clock.nowMs();
    const override = portal?.override ?? null;
    const scheduled =
      portal !== null && this.#zone !== null && trusted
        ? scheduledModeAt(portal, this.#zone, wallMs)
        : 'controlled';
    if (override?.kind === 'lockdown') this.step({ kind: 'lockdown' });
    else if (override?.kind === 'holdOpen' && trusted)
      this.step({ kind: 'holdOpen', untilMs: clock.monotonicMs() + override.untilMs - wallMs });
    else this.step({ kind: 'endOverride' });
    this.step({ kind: 'schedule', mode: scheduled });
  }

  /** `seq`: the number of the grant in the journal, to which later events refer. */
  grant(seq: number | null, extended: boolean): void {
    this.#passageSeq = seq;
    this.step({ kind: 'grant', extended });
  }

  grantRemotely(seq: number | null, durationMs: number): void {
    this.#passageSeq = seq;
    this.step({ kind: 'remoteGrant', durationMs });
  }

  /**
   * Shows lamp and buzzer of a grant and nothing else: a card was enrolled, or the reader is tested. False: it has
   * neither.
   */
  acknowledge(readerKey: string): boolean {
    const readers = this.#readers.filter((reader) => reader.key === readerKey);
    this.#signal(readers, 'led', 'granted');
    this.#signal(readers, 'buzzer', 'granted');
    return readers.some(({ led, buzzer, hasOwn }) => led !== null || buzzer !== null || hasOwn);
  }

  /** Shows at one reader that the door asks for a PIN, that a key was taken, or that the input is no PIN. */
  showPin(readerKey: string, what: 'ask' | 'key' | 'unclear'): void {
    const readers = this.#readers.filter((reader) => reader.key === readerKey);
    const pattern = what === 'unclear' ? 'denied' : 'enterPin';
    this.#signal(readers, 'led', pattern);
    if (what !== 'key') this.#signal(readers, 'buzzer', pattern);
  }

  /**
   * Shows and sounds what the door is. Needed where changes alone do not tell: after a start readers may still show,
   * and sound, what the door was before.
   */
  showState(): void {
    if (this.#settings.observe) {
      this.#rest();
      return;
    }
    const { led, buzzer } = restingSignals(this.#portal);
    this.#signal(this.#readers, 'led', led);
    this.#signal(this.#readers, 'buzzer', buzzer);
  }

  step(input: PortalInput): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const before = this.#portal;
    const rules: PortalRules = {
      ...this.#settings,
      rexIgnoreMs: this.#wiring.rex?.ignoreAfterMs ?? 0,
    };
    const step = stepPortal(before, input, rules, nowMs);
    this.#portal = step.state;
    for (const effect of step.effects) this.#run(effect);
    this.#cancelTimer?.();
    this.#cancelTimer =
      step.deadlineMs === null
        ? null
        : this.#deps.later(step.deadlineMs - nowMs, () => {
            this.#cancelTimer = null;
            this.step({ kind: 'timer' });
          });
    const changed =
      before.state !== step.state.state ||
      before.mode !== step.state.mode ||
      before.released !== step.state.released ||
      before.contactOpen !== step.state.contactOpen;
    if (changed) this.#deps.onChange();
  }

  #run(effect: PortalEffect): void {
    switch (effect.kind) {
      case 'strike':
        if (!this.#settings.observe) this.#driveStrike(effect.released);
        return;
      case 'led':
        this.#signal(this.#readers, 'led', effect.pattern);
        return;
      case 'buzzer':
        this.#signal(this.#readers, 'buzzer', effect.pattern);
        return;
      case 'event':
        this.#report(effect);
        return;
      default:
        unreachable(effect);
    }
  }

  #signal(readers: readonly ReaderLights[], ...[kind, pattern]: DoorSignal): void {
    if (this.#settings.observe) return;
    for (const { key, led, buzzer, hasOwn } of readers) {
      if (kind === 'led') led?.play(ledSignals[pattern]);
      else buzzer?.play(buzzerSignals[pattern]);
      if (hasOwn) this.#deps.signalReader(key, kind === 'led' ? { led: pattern } : { buzzer: pattern });
    }
  }

  #report(effect: PortalEffect & { kind: 'event' }): void {
    const { source = '' } = effect;
    const tamperSeq = this.#tamperSeqs.get(source) ?? null;
    const followsSeq = { passage: this.#passageSeq, alarm: this.#alarmSeq, tamper: tamperSeq };
    const follows = effect.follows === null ? null : followsSeq[effect.follows];
    const seq = this.#deps.append({
      kind: effect.fact,
      portalKey: this.key,
      mode: effect.mode,
      ...(source === '' ? {} : { readerKey: source }),
      ...(follows === null ? {} : { followsSeq: follows }),
      ...(this.#settings.observe ? { observed: true } : {}),
    });
    if (effect.fact === 'forcedOpen' || effect.fact === 'heldOpen') this.#alarmSeq = seq;
    if (effect.fact === 'tamper') this.#tamperSeqs.set(source, seq);
  }

  #driveStrike(released: boolean): void {
    const { line, failMode } = this.#wiring.strike;
    this.#drive(line, released ? releasedLevel(failMode) : lockedLevel(failMode));
  }

  #drive(line: number, level: 0 | 1): void {
    try {
      this.#deps.gpio.write(line, level);
    } catch (error) {
      this.#deps.onOutputFault(this.key, error);
    }
  }

  /** Whether the lock is released, read back from the line. */
  get strikeReleased(): boolean {
    const { line, failMode } = this.#wiring.strike;
    try {
      return this.#deps.gpio.read(line) === releasedLevel(failMode);
    } catch (error) {
      this.#deps.onOutputFault(this.key, error);
      return false;
    }
  }

  #rest(): void {
    for (const { key, led, buzzer, hasOwn } of this.#readers) {
      led?.stop();
      buzzer?.stop();
      if (!hasOwn) continue;
      this.#deps.signalReader(key, { led: 'idle' });
      this.#deps.signalReader(key, { buzzer: 'silent' });
    }
    this.#driveStrike(false);
  }

  report(): BridgeState['portals'][number] {
    const { clock } = this.#deps;
    return {
      key: this.key,
      state: this.#portal.state,
      mode: this.#portal.mode,
      contactOpen: this.#portal.contactOpen,
      strikeReleased: this.strikeReleased,
      sinceMs: Math.round(clock.nowMs() - (clock.monotonicMs() - this.#portal.sinceMs)),
    };
  }

  /** Locks the door, turns its lamps off and cancels its timer. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#rest();
  }
}
