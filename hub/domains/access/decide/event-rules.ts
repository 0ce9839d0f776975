import type { AccessEventKind, CheckResult, DenyReason } from '../schema.ts';
import type { AccessDecision } from './rules.ts';
import { type Wording, wordingByCheck, wordingByReason } from './wording-rules.ts';

export interface Intake<E> {
  /** In order, without a gap, after what is held already. */
  readonly accepted: readonly E[];
  /** Something is missing before the rest: ask again from after the last accepted one. */
  readonly gap: boolean;
}

/** Which of a run of journal entries can be added after `heldSeq`: repeats are left out, nothing is taken past a gap. */
export function planIntake<E extends { readonly seq: number }>(
  heldSeq: number,
  events: readonly E[],
): Intake<E> {
  const accepted: E[] = [];
  let expected = heldSeq + 1;
  for (const event of [...events].sort((left, right) => left.seq - right.seq)) {
    if (event.seq < expected) continue;
    if (event.seq > expected) return { accepted, gap: true };
    accepted.push(event);
    expected += 1;
  }
  return { accepted, gap: false };
}

const sentenceByKind: Readonly<Record<AccessEventKind, string>> = {
  granted: 'The door was opened for this card.',
  denied: 'The door stayed shut.',
  remoteGranted: 'Somebody opened the door from here.',
  entered: 'The door was opened after the grant.',
  notEntered: 'Nobody opened the door after the grant.',
  egress: 'The exit button was pressed.',
  forcedOpen: 'The door was opened without a grant.',
  heldOpen: 'The door has stood open for too long.',
  preAlarm: 'The door has stood open for a while: it warns before the alarm.',
  restored: 'The door is shut again.',
  modeChanged: "The door's mode changed.",
  tamper: 'A housing was opened or a line was cut.',
  policyApplied: 'The door took over new rules.',
  boot: 'The door controller started.',
  readFault: 'A card could not be read cleanly.',
  journalGap: 'Events could not be written down for a while.',
  clockChanged: "The door controller's clock changed.",
  readerOffline: 'A reader cannot be reached: cards at it open nothing.',
  readerOnline: 'A reader can be reached again.',
  pinLockout: 'Too many wrong PINs: this reader takes none for a while.',
  readerPaired: 'A reader has a key of its own now.',
  tamperEnded: 'The housing is shut again, or the line is whole.',
  powerFault: 'The supply of a reader is not sound.',
  powerRestored: 'The supply of a reader is sound again.',
  portClosed: 'A serial port went away: cards at its readers open nothing.',
  portOpened: 'A serial port is back.',
};
const nextStepByKind: Partial<Record<AccessEventKind, string>> = {
  forcedOpen: 'Look who is there, and whether the lock and the door contact are sound.',
  heldOpen: 'Have the door shut.',
  tamper: 'Look at the reader and its wiring.',
  readFault: "Have the card presented again; when it stays, check the reader's D0, D1 and ground.",
  journalGap: "Free space on the bridge's disk.",
  readerOffline: 'Settings, Readers says why and what to do.',
  powerFault: 'Measure the voltage at the reader while its lamp is on, and compare it with its label.',
  portClosed: 'Look whether the adapter is plugged in. The note says which one it is.',
};

/** What a person reads about an event: the reason's words for a refusal, else what happened. */
export function wordEvent(event: {
  readonly kind: AccessEventKind;
  readonly reason: DenyReason | null;
  readonly observed: boolean;
}): { readonly sentence: string; readonly nextStep: string | null } {
  const observed = event.observed ? ' The door only observes: nothing was moved.' : '';
  if (event.reason !== null) {
    const { sentence, nextStep } = wordingByReason[event.reason];
    return { sentence: sentence + observed, nextStep };
  }
  return { sentence: sentenceByKind[event.kind] + observed, nextStep: nextStepByKind[event.kind] ?? null };
}

export const wordChecks = (checks: readonly CheckResult[]): (CheckResult & { readonly sentence: string })[] =>
  checks.map(({ check, passed }) => ({
    check,
    passed,
    sentence: wordingByCheck[check][passed ? 'passed' : 'failed'],
  }));

/** A decision in words. */
export function wordDecision(
  decision: AccessDecision,
  ruleName: string | null,
): Omit<Wording, 'nextStep'> & { readonly nextStep: string | null } {
  if (decision.reason !== null) return wordingByReason[decision.reason];
  return {
    sentence: ruleName === null ? 'The door opens.' : `The door opens, by the rule "${ruleName}".`,
    nextStep: null,
  };
}
