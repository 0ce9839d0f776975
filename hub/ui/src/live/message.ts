import type { z } from 'zod';
import type { eventTopics, Topic } from '#hub/domains/webhooks/topic-schema.ts';

type Announced = {
  [T in Topic]: { readonly topic: T; readonly data: z.output<(typeof eventTopics)[T]['data']> };
}[Topic];

/** What the hub announces, with what belongs to it. `reset`: something was missed, load everything again. */
export type LiveMessage = Announced | { readonly topic: 'reset' | 'signedOut'; readonly data: object };

/** The browser hands out named events only to those who listen for the name; a topic left out does not compile. */
const listened: Readonly<Record<LiveMessage['topic'], true>> = {
  'portal.state': true,
  'reader.state': true,
  'access.event': true,
  'access.alarm': true,
  'access.backlog': true,
  'enrolment.changed': true,
  'member.changed': true,
  'credential.changed': true,
  'plan.changed': true,
  'group.changed': true,
  'portal.changed': true,
  'area.changed': true,
  'rule.changed': true,
  'hours.changed': true,
  'holiday.changed': true,
  'bridge.changed': true,
  'finding.changed': true,
  'webhook.changed': true,
  'sync.changed': true,
  reset: true,
  signedOut: true,
};

const isTopic = (text: string): text is LiveMessage['topic'] => Object.hasOwn(listened, text);

export const liveTopics = Object.keys(listened).filter(isTopic);
