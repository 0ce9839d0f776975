import { z } from 'zod';
import { alarmSchema } from '#hub/domains/access/alarm-schema.ts';
import { enrolmentSchema } from '#hub/domains/access/credential-schema.ts';
import { accessEventSchema } from '#hub/domains/access/event-schema.ts';
import { portalLiveSchema } from '#hub/domains/access/place-schema.ts';
import { readerStateEventSchema } from '#hub/domains/access/reader-schema.ts';
import type { Permission } from '#hub/domains/identity/schema.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { syncStateSchema } from '#hub/sync/schema.ts';

/** One kind of thing that happens, for the live stream, for webhooks and for their documentation. */
export interface TopicSpec {
  /** Who may learn of it. */
  readonly permission: Permission;
  /** What happens, for people who choose topics. */
  readonly description: string;
  /** What is said of it. */
  readonly data: z.ZodType;
  /**
   * True: it stands in the store, so webhooks can have it; it is announced in the transaction that makes it so.
   * False: a passing state, for who looks at this moment.
   */
  readonly lasting: boolean;
}

const changeSchema = z.enum(['created', 'changed', 'removed']);
export type Change = z.infer<typeof changeSchema>;

/** Every topic that the hub announces. What is not in this table cannot be announced. */
export const eventTopics = {
  'access.event': {
    permission: 'accessEvent.read',
    description: 'Something happened at a door: opened, denied, forced, held open',
    data: accessEventSchema,
    lasting: true,
  },
  'access.backlog': {
    permission: 'accessEvent.read',
    description:
      'A door controller handed in many events at once; only the newest of them were announced here',
    data: z.strictObject({ bridgeId: idSchema, count: z.number().int() }),
    lasting: false,
  },
  'access.alarm': {
    permission: 'alarm.read',
    description: 'Somebody typed their duress PIN at a door, or somebody looked after such an alarm',
    data: alarmSchema,
    lasting: true,
  },
  'portal.state': {
    permission: 'portal.read',
    description: 'A door shows another state: locked, unlocked, open; at most four times a second',
    data: z.strictObject({
      portalId: idSchema,
      bridgeId: idSchema,
      connected: z.boolean(),
      live: portalLiveSchema.nullable(),
    }),
    lasting: false,
  },
  'reader.state': {
    permission: 'portal.read',
    description:
      'A reader shows another state: reachable, paired, tampered with; at most four times a second, and once where only its counters went on',
    data: readerStateEventSchema,
    lasting: false,
  },
  'portal.changed': {
    permission: 'portal.read',
    description: 'A door was added, set up differently, locked down, held open or removed',
    data: z.strictObject({ portalId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'area.changed': {
    permission: 'portal.read',
    description: 'An area was added, changed or removed',
    data: z.strictObject({ areaId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'rule.changed': {
    permission: 'rule.read',
    description: 'An access rule was added, changed or removed',
    data: z.strictObject({ ruleId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'hours.changed': {
    permission: 'rule.read',
    description: 'The opening hours of a week were set or removed',
    data: z.strictObject({ hoursId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'holiday.changed': {
    permission: 'rule.read',
    description: 'A day with hours of its own was added, changed or removed',
    data: z.strictObject({ holidayId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'bridge.changed': {
    permission: 'bridge.read',
    description: 'A door controller connected, went away, took new rules, or was added',
    data: z.strictObject({ bridgeId: idSchema, connected: z.boolean() }),
    lasting: true,
  },
  'credential.changed': {
    permission: 'credential.read',
    description: 'A card was enrolled, blocked, replaced or changed',
    data: z.strictObject({ credentialId: idSchema, memberId: idSchema }),
    lasting: true,
  },
  'enrolment.changed': {
    permission: 'credential.manage',
    description: 'Somebody is enrolling a card at a reader: waiting, enrolled, refused',
    data: enrolmentSchema,
    lasting: false,
  },
  'member.changed': {
    permission: 'member.read',
    description: 'A member was added or changed: profile, status, memberships, holds, groups',
    data: z.strictObject({ memberId: idSchema }),
    lasting: true,
  },
  'plan.changed': {
    permission: 'plan.read',
    description: 'A plan was added, changed or removed',
    data: z.strictObject({ planId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'group.changed': {
    permission: 'member.read',
    description: 'A group was added, changed or removed, or its members changed',
    data: z.strictObject({ groupId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'finding.changed': {
    permission: 'system.read',
    description: 'Something that is not as it should be was found, or is over; `/health/detailed` says what',
    data: z.strictObject({
      appeared: z.array(z.string()).max(50).meta({ description: 'Ids of findings' }),
      cleared: z.array(z.string()).max(50),
    }),
    lasting: false,
  },
  'sync.changed': {
    permission: 'system.read',
    description:
      'Replication with the central database is in another state, or its conflicts or dead letters changed; `/api/sync` says more',
    data: z.strictObject({ state: syncStateSchema }),
    lasting: false,
  },
  'webhook.changed': {
    permission: 'webhook.read',
    description: 'A webhook or the state of its deliveries changed',
    data: z.strictObject({ webhookId: idSchema }),
    lasting: false,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

export type Topic = keyof typeof eventTopics;
/** Topics that webhooks can subscribe to. */
export type LastingTopic = {
  [T in Topic]: (typeof eventTopics)[T]['lasting'] extends true ? T : never;
}[Topic];
