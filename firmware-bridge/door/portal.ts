import type { BuzzerPattern, LedPattern } from '#bridge/readers/feedback.ts';
import type { PortalMode, PortalState } from '#hub/domains/access/schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import type {
  Portal,
  PortalEffect,
  PortalFact,
  PortalInput,
  PortalRules,
  PortalStep,
} from './portal-state.ts';

/**
 * The door as a pure state machine. Times are monotonic ms, so that no change of the clock moves a lock. "Released"
 * means that the door can be pulled open; the level for that depends on the wiring.
 */

/** The door after a start. Its former state is unknown, so it is locked and nothing carries over. */
export const newPortal = (nowMs: number): Portal => ({
  state: 'secure',
  mode: 'controlled',
  released: false,
  releaseUntilMs: null,
  contactOpen: null,
  preAlarmAtMs: null,
  heldOpenAtMs: null,
  rexActive: false,
  rexWaiting: false,
  rexIgnoreUntilMs: null,
  tampered: [],
  fire: false,
  override: null,
  scheduled: 'controlled',
  personIn: false,
  sinceMs: nowMs,
});

const unlockingModes: readonly PortalMode[] = ['fireRelease', 'heldOpen', 'unlocked'];
/** Whether the mode itself keeps the door unlocked. */
export const isUnlocking = (mode: PortalMode): boolean => unlockingModes.includes(mode);

function modeOf(portal: Portal, rules: PortalRules): PortalMode {
  if (portal.fire) return 'fireRelease';
  if (portal.override !== null) return portal.override.kind === 'lockdown' ? 'lockdown' : 'heldOpen';
  if (portal.scheduled === 'unlocked' && rules.firstPersonIn && !portal.personIn) return 'controlled';
  return portal.scheduled;
}

/** A step under construction: the portal, its events and its signals. */
interface Draft {
  readonly portal: Portal;
  readonly events: readonly PortalEffect[];
  readonly signals: readonly PortalEffect[];
}

type Follows = 'passage' | 'alarm' | null;

const change = (draft: Draft, portal: Partial<Portal>): Draft => ({
  ...draft,
  portal: { ...draft.portal, ...portal },
});

const report = (draft: Draft, fact: PortalFact, follows: Follows = null): Draft => ({
  ...draft,
  events: [...draft.events, { kind: 'event', fact, follows, mode: draft.portal.mode }],
});

const signal = (draft: Draft, name: 'granted' | 'denied'): Draft => ({
  ...draft,
  signals: [...draft.signals, { kind: 'led', pattern: name }, { kind: 'buzzer', pattern: name }],
});

const enter = (draft: Draft, state: PortalState, nowMs: number): Draft =>
  draft.portal.state === state ? draft : change(draft, { state, sinceMs: nowMs });

const lock = (draft: Draft): Draft => change(draft, { released: false, releaseUntilMs: null });

const release = (draft: Draft, untilMs: number): Draft =>
  change(draft, {
    released: true,
    releaseUntilMs: Math.max(untilMs, draft.portal.releaseUntilMs ?? 0),
  });

const withoutTimers = { preAlarmAtMs: null, heldOpenAtMs: null } as const;

function startOpenTimers(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const heldOpenAtMs = nowMs + rules.heldOpenSeconds * 1000;
  const warns = rules.preAlarmSeconds > 0 && rules.preAlarmSeconds < rules.heldOpenSeconds;
  return change(draft, {
    heldOpenAtMs,
    preAlarmAtMs: warns ? heldOpenAtMs - rules.preAlarmSeconds * 1000 : null,
  });
}

/** The door stands open after a passage or after a mode ended. */
function standOpen(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  // The person going out still stands before the sensor.
  const waiting = change(draft, {
    rexIgnoreUntilMs: nowMs + rules.rexIgnoreMs,
    rexWaiting: draft.portal.rexActive,
  });
  const timed = enter(startOpenTimers(waiting, rules, nowMs), 'open', nowMs);
  if (rules.relock === 'onOpen' || !draft.portal.released) return lock(timed);
  // A contact stuck at "open" must not keep the lock released for ever: the held-open limit ends that too.
  return change(timed, { releaseUntilMs: timed.portal.heldOpenAtMs });
}

function openForPassage(draft: Draft, durationMs: number, nowMs: number, rules: PortalRules): Draft {
  const { state } = draft.portal;
  const released = release(
    change(draft, { rexIgnoreUntilMs: nowMs + rules.rexIgnoreMs, rexWaiting: false }),
    nowMs + durationMs,
  );
  switch (state) {
    case 'secure':
    case 'egress':
      return enter(released, 'granted', nowMs);
    case 'granted':
      return released;
    case 'open':
    case 'preAlarm':
      return enter(startOpenTimers(released, rules, nowMs), 'open', nowMs);
    case 'heldOpen':
    case 'forcedOpen':
      // The contact may be broken: the lock works, the alarm stays until the door closes.
      return released;
    case 'unlocked':
      return draft;
    default:
      return unreachable(state);
  }
}

/** An authorised person is (or, without a contact, may be) inside, which ends the wait for the first person. */
const notePersonIn = (draft: Draft): Draft =>
  draft.portal.scheduled === 'unlocked' ? change(draft, { personIn: true }) : draft;

function onGrant(
  draft: Draft,
  input: PortalInput & { kind: 'grant' },
  rules: PortalRules,
  nowMs: number,
): Draft {
  const { mode } = draft.portal;
  if (mode === 'lockdown' || mode === 'locked') return signal(draft, 'denied');
  const seconds = input.extended ? rules.extendedAccessTimeSeconds : rules.accessTimeSeconds;
  const opened = openForPassage(draft, seconds * 1000, nowMs, rules);
  return signal(draft.portal.contactOpen === null ? notePersonIn(opened) : opened, 'granted');
}

function onRemoteGrant(draft: Draft, durationMs: number, rules: PortalRules, nowMs: number): Draft {
  if (draft.portal.mode === 'lockdown') return draft;
  return signal(openForPassage(draft, durationMs, nowMs, rules), 'granted');
}

/** Egress works in every mode, and in every state in which the door is locked. */
function releaseForExit(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const released = release(change(draft, { rexWaiting: false }), nowMs + rules.accessTimeSeconds * 1000);
  const state = draft.portal.state === 'secure' ? enter(released, 'egress', nowMs) : released;
  return report(state, 'egress');
}

function onRex(draft: Draft, active: boolean, rules: PortalRules, nowMs: number): Draft {
  const next = change(draft, { rexActive: active });
  if (!active || draft.portal.rexActive || draft.portal.released) return next;
  const ignoredUntil = draft.portal.rexIgnoreUntilMs;
  if (ignoredUntil !== null && nowMs < ignoredUntil) return change(next, { rexWaiting: true });
  return releaseForExit(next, rules, nowMs);
}

function onOpened(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const { state } = draft.portal;
  switch (state) {
    case 'granted':
      return standOpen(report(notePersonIn(draft), 'entered', 'passage'), rules, nowMs);
    case 'egress':
      return standOpen(draft, rules, nowMs);
    case 'secure':
      return report(enter(draft, 'forcedOpen', nowMs), 'forcedOpen');
    case 'open':
    case 'preAlarm':
    case 'heldOpen':
    case 'forcedOpen':
    case 'unlocked':
      return draft;
    default:
      return unreachable(state);
  }
}

const isAlarm = (state: PortalState): boolean => state === 'heldOpen' || state === 'forcedOpen';

function onClosed(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const { state } = draft.portal;
  if (state === 'unlocked' || state === 'granted' || state === 'egress' || state === 'secure') return draft;
  const restored = isAlarm(state) ? report(draft, 'restored', 'alarm') : draft;
  const closed = change(lock(restored), {
    ...withoutTimers,
    rexIgnoreUntilMs: nowMs + rules.rexIgnoreMs,
    rexWaiting: draft.portal.rexActive,
  });
  return enter(closed, 'secure', nowMs);
}

function onContact(draft: Draft, open: boolean, rules: PortalRules, nowMs: number): Draft {
  const before = draft.portal.contactOpen;
  if (before === open) return draft;
  const next = change(draft, { contactOpen: open });
  // The first level after a start: nobody knows how the door came to be open, so it is not called forced.
  if (before === null && open && draft.portal.state === 'secure') return standOpen(next, rules, nowMs);
  if (open) return onOpened(next, rules, nowMs);
  return onClosed(next, rules, nowMs);
}

function onTamper(draft: Draft, { source, active }: PortalInput & { kind: 'tamper' }): Draft {
  const { tampered, mode } = draft.portal;
  if (tampered.includes(source) === active) return draft;
  const others = tampered.filter((each) => each !== source);
  const next = change(draft, { tampered: active ? [...others, source] : others });
  const event: PortalEffect = active
    ? { kind: 'event', fact: 'tamper', follows: null, mode, source }
    : { kind: 'event', fact: 'tamperEnded', follows: 'tamper', mode, source };
  return { ...next, events: [...next.events, event] };
}

/** The access time ends: nobody came, or the door stands open and locks again. */
function onReleaseEnd(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const { state, rexActive, contactOpen } = draft.portal;
  const passed =
    state === 'granted' && contactOpen === false ? report(draft, 'notEntered', 'passage') : draft;
  if (rexActive) {
    // Somebody is still at the exit: the way out stays open.
    const untilMs = nowMs + rules.accessTimeSeconds * 1000;
    const out = change(passed, { released: true, releaseUntilMs: untilMs });
    return state === 'granted' ? report(enter(out, 'egress', nowMs), 'egress') : out;
  }
  const locked = lock(passed);
  return state === 'granted' || state === 'egress' ? enter(locked, 'secure', nowMs) : locked;
}

function onTimer(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const isDue = (at: number | null): boolean => at !== null && at <= nowMs;
  let next = draft;
  if (next.portal.override?.kind === 'holdOpen' && isDue(next.portal.override.untilMs))
    next = applyMode(change(next, { override: null }), rules, nowMs);
  if (isDue(next.portal.rexIgnoreUntilMs)) {
    next = change(next, { rexIgnoreUntilMs: null });
    const { rexWaiting, rexActive, released } = next.portal;
    if (rexWaiting && rexActive && !released) next = releaseForExit(next, rules, nowMs);
    next = change(next, { rexWaiting: false });
  }
  if (isDue(next.portal.preAlarmAtMs)) {
    next = change(next, { preAlarmAtMs: null });
    if (!isDue(next.portal.heldOpenAtMs)) next = report(enter(next, 'preAlarm', nowMs), 'preAlarm');
  }
  if (isDue(next.portal.heldOpenAtMs)) {
    next = report(enter(change(next, withoutTimers), 'heldOpen', nowMs), 'heldOpen');
  }
  if (isDue(next.portal.releaseUntilMs)) next = onReleaseEnd(next, rules, nowMs);
  return next;
}

/** Applies a mode that may have changed to state and lock. */
function applyMode(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const before = draft.portal.mode;
  const mode = modeOf(draft.portal, rules);
  if (mode === before) return draft;
  const next = report(change(draft, { mode }), 'modeChanged');
  const { state } = next.portal;
  if (isUnlocking(mode)) {
    const restored = isAlarm(state) ? report(next, 'restored', 'alarm') : next;
    const unlocked = change(restored, { ...withoutTimers, released: true, releaseUntilMs: null });
    return enter(unlocked, 'unlocked', nowMs);
  }
  if (isUnlocking(before)) {
    if (next.portal.contactOpen === true) return standOpen(next, rules, nowMs);
    return enter(lock(next), 'secure', nowMs);
  }
  // A lockdown revokes an open grant; somebody on the way out may still leave.
  if (mode === 'lockdown' && state === 'granted') return enter(lock(next), 'secure', nowMs);
  return next;
}

function onInput(draft: Draft, input: PortalInput, rules: PortalRules, nowMs: number): Draft {
  switch (input.kind) {
    case 'grant':
      return onGrant(draft, input, rules, nowMs);
    case 'remoteGrant':
      return onRemoteGrant(draft, input.durationMs, rules, nowMs);
    case 'denied':
      return signal(draft, 'denied');
    case 'rex':
      return onRex(draft, input.active, rules, nowMs);
    case 'contact':
      return onContact(draft, input.open, rules, nowMs);
    case 'tamper':
      return onTamper(draft, input);
    case 'fire':
      return change(draft, { fire: input.active });
    case 'schedule':
      return change(draft, {
        scheduled: input.mode,
        personIn: input.mode === 'unlocked' && draft.portal.personIn,
      });
    case 'lockdown':
      return change(draft, { override: { kind: 'lockdown' } });
    case 'holdOpen':
      return change(draft, {
        override: input.untilMs > nowMs ? { kind: 'holdOpen', untilMs: input.untilMs } : null,
      });
    case 'endOverride':
      return change(draft, { override: null });
    case 'timer':
      return onTimer(draft, rules, nowMs);
    default:
      return unreachable(input);
  }
}

/**
 * A request to exit still active after its wait, or after something locked the door, lets the person out: nobody is
 * shut in.
 */
function keepExitOpen(draft: Draft, rules: PortalRules, nowMs: number): Draft {
  const { rexActive, rexWaiting, released } = draft.portal;
  return rexActive && !rexWaiting && !released ? releaseForExit(draft, rules, nowMs) : draft;
}

/** Lamp and buzzer patterns at rest. */
export function restingSignals(portal: Portal): { readonly led: LedPattern; readonly buzzer: BuzzerPattern } {
  if (isAlarm(portal.state)) return { led: 'alarm', buzzer: 'alarm' };
  if (portal.state === 'preAlarm') return { led: 'preAlarm', buzzer: 'preAlarm' };
  if (portal.released) return { led: 'unlocked', buzzer: 'silent' };
  const isShut = portal.mode === 'lockdown' || portal.mode === 'locked';
  return { led: isShut ? 'locked' : 'idle', buzzer: 'silent' };
}

function effectsOf(before: Portal, draft: Draft): PortalEffect[] {
  const after = draft.portal;
  const strike: PortalEffect[] =
    before.released === after.released ? [] : [{ kind: 'strike', released: after.released }];
  const old = restingSignals(before);
  const rest = restingSignals(after);
  const resting: PortalEffect[] = [
    ...(old.led === rest.led ? [] : [{ kind: 'led', pattern: rest.led } as const]),
    ...(old.buzzer === rest.buzzer ? [] : [{ kind: 'buzzer', pattern: rest.buzzer } as const]),
  ];
  // Journaled before the lock releases; locked before it is journaled.
  return after.released
    ? [...draft.events, ...strike, ...resting, ...draft.signals]
    : [...strike, ...draft.events, ...resting, ...draft.signals];
}

function deadlineOf(portal: Portal, nowMs: number): number | null {
  const times = [
    portal.releaseUntilMs,
    portal.preAlarmAtMs,
    portal.heldOpenAtMs,
    portal.rexIgnoreUntilMs,
    portal.override?.kind === 'holdOpen' ? portal.override.untilMs : null,
  ].filter((time) => time !== null);
  return times.length === 0 ? null : Math.max(Math.min(...times), nowMs + 1);
}

/**
 * Performs one step of a door. Deadlines act only on `timer`: an input that arrives before a late timer finds the
 * door still released.
 */
export function stepPortal(
  portal: Portal,
  input: PortalInput,
  rules: PortalRules,
  nowMs: number,
): PortalStep {
  const done = onInput({ portal, events: [], signals: [] }, input, rules, nowMs);
  const draft = keepExitOpen(applyMode(done, rules, nowMs), rules, nowMs);
  return {
    state: draft.portal,
    effects: effectsOf(portal, draft),
    deadlineMs: deadlineOf(draft.portal, nowMs),
  };
}
