import { z } from 'zod';
import { answer, type Domain, hear, Question, type RunningDomain } from '#hub/domain.ts';
import { siteChanged, siteClaimed } from '#hub/domains/identity/domain.ts';
import { admissionChanged } from '#hub/domains/members/domain.ts';
import { areaUses, placesChanged } from '#hub/domains/places/domain.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import type { DataOf, PermissionSpec, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { changeSchema } from '#hub/kernel/wire.ts';
import { type After, processTimers } from '#hub/platform/timers.ts';
import { findNamedValues } from '#hub/store/named-rows.ts';
import type { Transaction } from '#hub/store/store.ts';
import { alarmSchema } from './alarms/schema.ts';
import { cardAuditWords } from './audit-words.ts';
import { pairLocalBridge } from './bridges/local-workflow.ts';
import { cardProblems } from './cards/problems.ts';
import type { BridgeHandler, BridgeLink } from './controllers/link.ts';
import { portalLiveSchema } from './controllers/portal-schema.ts';
import { policyAnnouncement } from './doors/change-workflow.ts';
import { doorProblems } from './doors/problems.ts';
import { findDoorsAndRulesAt } from './doors/workflow.ts';
import { enrolmentSchema } from './enrolment/schema.ts';
import { accessEventSchema } from './events/schema.ts';
import { type Access, createAccess } from './open-access.ts';
import { readerStateEventSchema } from './readers/schema.ts';
import { accessEndpoints } from './routes.ts';
import { accessTables } from './tables.ts';
import { recoveryProblems } from './vault/problems.ts';
import { recoveryHealth } from './vault/recovery-workflow.ts';

/** Whether a centre takes this hub's changes. */
export const hasCentre = new Question<null, boolean>('access.hasCentre');

const permissions = {
  'credential.read': { text: 'See cards', roles: ['staff'] },
  'credential.manage': { text: 'Enrol, block and replace cards, set PINs', roles: ['staff'] },
  'portal.read': { text: 'See doors and their states', roles: ['staff', 'instructor', 'service_provider'] },
  'portal.manage': { text: 'Change doors, readers, opening hours and holidays' },
  'rule.read': { text: 'See access rules', roles: ['staff'] },
  'rule.manage': { text: 'Change access rules' },
  'door.unlock': { text: 'Unlock doors from afar', roles: ['staff', 'instructor'] },
  'door.lockdown': { text: 'Lock doors down, hold them open', roles: ['staff'] },
  'accessEvent.read': { text: 'See who opened which door when', roles: ['staff', 'instructor'] },
  'alarm.read': { text: 'See silent alarms, and note that one was looked after' },
  'bridge.read': { text: 'See bridges', roles: ['staff'] },
  'bridge.manage': { text: 'Pair and remove bridges' },
  'recovery.manage': {
    text: 'Make and check the recovery sheet, whose code unlocks all cards on a new box',
    ownerOnly: true,
  },
} as const satisfies Readonly<Record<string, PermissionSpec>>;

const topics = {
  'access.event': {
    permission: 'accessEvent.read',
    text: 'Something happened at a door: opened, denied, forced, held open',
    data: accessEventSchema,
    lasting: true,
  },
  'access.backlog': {
    permission: 'accessEvent.read',
    text: 'A door controller handed in many events at once; only the newest of them were announced here',
    data: z.strictObject({ bridgeId: idSchema, count: z.number().int() }),
    lasting: false,
  },
  'access.alarm': {
    permission: 'alarm.read',
    text: 'Somebody typed their duress PIN at a door, or somebody looked after such an alarm',
    data: alarmSchema,
    lasting: true,
  },
  'portal.state': {
    permission: 'portal.read',
    text: 'A door shows another state: locked, unlocked, open; at most four times a second',
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
    text: 'A reader shows another state: reachable, paired, tampered with; at most four times a second, and once where only its counters went on',
    data: readerStateEventSchema,
    lasting: false,
  },
  'portal.changed': {
    permission: 'portal.read',
    text: 'A door was added, set up differently, locked down, held open or removed',
    data: z.strictObject({ portalId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'rule.changed': {
    permission: 'rule.read',
    text: 'An access rule was added, changed or removed',
    data: z.strictObject({ ruleId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'bridge.changed': {
    permission: 'bridge.read',
    text: 'A door controller connected, went away, took new rules, or was added',
    data: z.strictObject({ bridgeId: idSchema, connected: z.boolean() }),
    lasting: true,
  },
  'credential.changed': {
    permission: 'credential.read',
    text: 'A card was enrolled, blocked, replaced or changed',
    data: z.strictObject({ credentialId: idSchema, memberId: idSchema }),
    lasting: true,
  },
  'enrolment.changed': {
    permission: 'credential.manage',
    text: 'Somebody is enrolling a card at a reader: waiting, enrolled, refused',
    data: enrolmentSchema,
    lasting: false,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

const problems = { ...doorProblems, ...cardProblems, ...recoveryProblems };

/** The hub's side of the connections that door controllers make. */
export interface BridgePort extends BridgeLink {
  handledBy(handler: BridgeHandler): void;
}

declare module '#hub/kernel/vocabulary.ts' {
  interface Permissions extends Record<keyof typeof permissions, true> {}
  interface Topics extends DataOf<typeof topics> {}
  interface Refusals extends Record<keyof typeof problems, true> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    readonly bridges: BridgePort;
    /** Timers; those of the process unless told. */
    readonly after?: After;
  }
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export interface RunningAccess extends RunningDomain {
  readonly access: Access;
}

/** Doors, cards, rules and door controllers. */
export const access: Domain<RunningAccess> = {
  name: 'access',
  tables: accessTables,
  permissions,
  topics,
  problems,
  tags: {
    credentials: 'Cards: enrol, suspend, replace',
    portals: 'Doors as they are set up: their names, places and settings',
    doors: 'Doors now: unlock, hold open, lock down',
    readers: 'The readers at the doors: whether they are reached, how they speak, pairing',
    alarms: 'Silent alarms of duress PINs, for those who may see them and nobody else',
    'access events': 'What happened at the doors and why, and what would happen',
    rules: 'Who may open which door, and when',
    'door controllers': 'The bridges: the small processes that hold the doors',
    recovery: 'The sheet whose code unlocks the cards on a new box',
  },
  auditWords: cardAuditWords,
  async open(core) {
    const { bridges } = core.ports;
    const running = createAccess({
      ...core,
      cardKey: await core.secret('cards'),
      link: bridges,
      after: core.ports.after ?? processTimers,
      onPlacesChanged: (tx) => core.raise(tx, placesChanged, null),
    });
    const follow =
      (table: Parameters<typeof policyAnnouncement>[0]) =>
      async (tx: Transaction, ids: readonly string[]): Promise<void> => {
        await running.onSiteChanged(tx);
        for (const id of ids) await core.announceIn(tx, policyAnnouncement(table, id, 'changed'));
      };
    return {
      access: running,
      endpoints: accessEndpoints(running),
      health: [
        running.health,
        running.cardHealth,
        recoveryHealth({ store: core.store, isLinked: () => core.ask(core.store.read, hasCentre, null) }),
      ],
      chores: [
        { name: 'cards', everyMs: minuteMs, run: running.sealCards },
        { name: 'policy', everyMs: dayMs, run: running.maintain },
      ],
      hears: [
        hear(siteChanged, (tx) => running.onSiteChanged(tx)),
        hear(placesChanged, (tx) => running.onSiteChanged(tx)),
        hear(admissionChanged, (tx, memberIds) => running.onAdmissionChanged(tx, memberIds)),
        hear(siteClaimed, async (tx, { starterRules }) => {
          if (starterRules) await running.createStarterSet(tx, { kind: 'system' });
        }),
      ],
      answers: [answer(areaUses, findDoorsAndRulesAt)],
      afterReplication: {
        portal: follow('portal'),
        access_rule: follow('access_rule'),
        async bridge(tx, ids) {
          for (const bridgeId of ids) {
            const connected = bridges.isConnected(bridgeId);
            await core.announceIn(tx, { topic: 'bridge.changed', data: { bridgeId, connected } });
          }
        },
        async credential(tx, ids) {
          await running.parts.keeper.refreshCredentials(tx, ids);
          for (const [credentialId, memberId] of await findNamedValues(tx, 'credential', 'member_id', ids))
            await core.announceIn(tx, { topic: 'credential.changed', data: { credentialId, memberId } });
        },
      },
      start: running.start,
      async serve() {
        await pairLocalBridge(running, core);
        bridges.handledBy(running.handler);
      },
      async afterRestore() {
        const { restored, failed } = await running.finishRestore();
        const lost =
          failed.length === 0 ? null : `${failed.length} cards could not be unlocked: enrol them again.`;
        return { restored: `${restored} cards and PINs`, lost };
      },
    };
  },
};
