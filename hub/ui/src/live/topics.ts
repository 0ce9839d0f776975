import type { Topic } from '#hub/domains/notifications/topic-schema.ts';

/** All topics of the hub. An EventSource only delivers named events to listeners for that name. */
export const topics = [
  'portal.state',
  'reader.state',
  'access.event',
  'access.alarm',
  'access.backlog',
  'enrolment.changed',
  'member.changed',
  'credential.changed',
  'plan.changed',
  'group.changed',
  'portal.changed',
  'area.changed',
  'rule.changed',
  'hours.changed',
  'holiday.changed',
  'bridge.changed',
  'finding.changed',
  'webhook.changed',
  'sync.changed',
] as const satisfies readonly Topic[];
