import type { BuzzerPattern, LedPattern } from '#bridge/readers/feedback.ts';
import type { PortalMode, PortalSettings, PortalState } from '#hub/domains/access/schema.ts';

export type ScheduledMode = 'unlocked' | 'cardOnly' | 'locked' | 'controlled';

export type PortalInput =
  /** Access granted: by card, or by staff at a screen, which also opens a door that its schedule has locked. */
  | { readonly kind: 'grant'; readonly extended: boolean }
  | { readonly kind: 'remoteGrant'; readonly durationMs: number }
  | { readonly kind: 'denied' }
  /** Levels, never toggles. */
  | { readonly kind: 'rex'; readonly active: boolean }
  | { readonly kind: 'contact'; readonly open: boolean }
  /** `source`: the key of the reader that says so; empty: the switch at the door's own line. */
  | { readonly kind: 'tamper'; readonly source: string; readonly active: boolean }
  | { readonly kind: 'fire'; readonly active: boolean }
  | { readonly kind: 'schedule'; readonly mode: ScheduledMode }
  | { readonly kind: 'lockdown' }
  | { readonly kind: 'holdOpen'; readonly untilMs: number }
  | { readonly kind: 'endOverride' }
  | { readonly kind: 'timer' };

export interface PortalRules
  extends Pick<
    PortalSettings,
    | 'accessTimeSeconds'
    | 'extendedAccessTimeSeconds'
    | 'relock'
    | 'heldOpenSeconds'
    | 'preAlarmSeconds'
    | 'firstPersonIn'
  > {
  /** After a grant and after the door closes, requests to exit wait this long: people who enter trip the sensor. */
  readonly rexIgnoreMs: number;
}

export type PortalFact =
  | 'entered'
  | 'notEntered'
  | 'egress'
  | 'forcedOpen'
  | 'heldOpen'
  | 'preAlarm'
  | 'restored'
  | 'modeChanged'
  | 'tamper'
  | 'tamperEnded';

export type PortalEffect =
  | { readonly kind: 'strike'; readonly released: boolean }
  | { readonly kind: 'led'; readonly pattern: LedPattern }
  | { readonly kind: 'buzzer'; readonly pattern: BuzzerPattern }
  /** `follows` names the earlier event that this one belongs to: the grant, the alarm, or the tamper alarm. */
  | {
      readonly kind: 'event';
      readonly fact: PortalFact;
      readonly mode: PortalMode;
      readonly follows: 'passage' | 'alarm' | 'tamper' | null;
      /** Of a tamper alarm and its end. */
      readonly source?: string;
    };

type Override = { readonly kind: 'lockdown' } | { readonly kind: 'holdOpen'; readonly untilMs: number };

export interface Portal {
  readonly state: PortalState;
  readonly mode: PortalMode;
  readonly released: boolean;
  /** When the lock engages again; null while it is locked, or released by a mode. */
  readonly releaseUntilMs: number | null;
  /** Null: no contact is wired, or its level has not been read yet. */
  readonly contactOpen: boolean | null;
  readonly preAlarmAtMs: number | null;
  readonly heldOpenAtMs: number | null;
  readonly rexActive: boolean;
  /** A request to exit arrived during its wait. */
  readonly rexWaiting: boolean;
  readonly rexIgnoreUntilMs: number | null;
  /** The sources of the open tamper alarms. */
  readonly tampered: readonly string[];
  readonly fire: boolean;
  readonly override: Override | null;
  readonly scheduled: ScheduledMode;
  /** An authorised person has come in since the schedule began to unlock. */
  readonly personIn: boolean;
  readonly sinceMs: number;
}

export interface PortalStep {
  readonly state: Portal;
  readonly effects: readonly PortalEffect[];
  /** When to call with `timer`, always later than now; null when nothing is due. */
  readonly deadlineMs: number | null;
}
