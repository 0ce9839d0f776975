import type { AdmissionFacts } from '#hub/domains/members/schema.ts';
import type { BridgeLink } from '#hub/mqtt/bridge-link.ts';
import type { Announce, AnnounceIn, WebhookQueue } from '#hub/platform/announce.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Reader, Store } from '#hub/store/store.ts';
import type { Site } from './policy-workflow.ts';

/** Runs something once after `ms`; the returned function calls it off. */
export type After = (ms: number, run: () => void) => () => void;

/** What the access domain needs of the rest of the hub. */
export interface AccessDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  /** The site's card key (32 bytes), under which readings and PINs are sealed. */
  readonly cardKey: Uint8Array;
  readonly log: Logger;
  readonly announce: Announce;
  readonly announceIn: AnnounceIn;
  readonly webhooks: WebhookQueue;
  readonly link: BridgeLink;
  readonly after: After;
  /** Null until the site is claimed. */
  readonly loadSite: (reader: Reader) => Promise<Site | null>;
  readonly loadAdmissionFacts: (
    reader: Reader,
    memberIds: readonly string[],
    nowMs: number,
  ) => Promise<ReadonlyMap<string, AdmissionFacts>>;
  /** Names of the members that exist. */
  readonly loadMemberNames: (
    reader: Reader,
    memberIds: readonly string[],
  ) => Promise<ReadonlyMap<string, string>>;
  /** Whether the member, plan or group that a rule is for is there. */
  readonly subjectExists: (
    reader: Reader,
    subject: { readonly kind: 'member' | 'plan' | 'group'; readonly id: string },
  ) => Promise<boolean>;
}

/** Timers that do not keep the process alive. */
export const processTimers: After = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/** UTC ms as it stands on the wire. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
export const isoTimeOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));
