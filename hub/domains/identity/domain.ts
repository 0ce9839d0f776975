import { type Domain, Question, type RunningDomain, Signal } from '#hub/domain.ts';
import type { PermissionSpec } from '#hub/kernel/vocabulary.ts';
import type { Transaction } from '#hub/store/store.ts';
import { createPasswordHasher, type PasswordHasher } from './accounts/password.ts';
import { auditHealth } from './audit/health-workflow.ts';
import { createAuthenticator } from './authenticator.ts';
import { type Claimed, type IdentityDeps, permissionWireOf } from './deps.ts';
import { identityProblems } from './problems.ts';
import { identityTables, type Site } from './repository.ts';
import { identityEndpoints } from './routes.ts';
import { deviceKeyOf } from './sessions/known-device.ts';
import { recordWaitingRefusals } from './sessions/refused-sign-ins.ts';
import { startIdentity } from './site/workflow.ts';
import { openTokenKeys } from './tokens/keys.ts';
import { loadSite } from './workflow.ts';

/** The hub was claimed: it now has a site and an owner. */
export const siteClaimed = new Signal<Claimed>('identity.siteClaimed');
/** The site was created, or its name or time zone changed. */
export const siteChanged = new Signal<Site>('identity.siteChanged');
/** Whether a member with this id exists. */
export const memberExists = new Question<string, boolean>('identity.memberExists');

const permissions = {
  'system.read': { text: 'See the state and the settings of the hub', roles: ['staff'] },
  'system.manage': { text: 'Change the settings of the hub' },
  'account.read': { text: 'See who can sign in' },
  'account.manage': { text: 'Create and disable accounts, set new passwords' },
  'role.read': { text: 'See roles and who has them' },
  'role.manage': { text: 'Change roles, give them and take them', ownerOnly: true },
  'serviceAccount.read': { text: 'See service accounts and their tokens' },
  'serviceAccount.manage': { text: 'Make service accounts and tokens with rights that one holds oneself' },
  'audit.read': { text: 'Read and verify the audit log' },
} as const satisfies Readonly<Record<string, PermissionSpec>>;

declare module '#hub/kernel/vocabulary.ts' {
  interface Permissions extends Record<keyof typeof permissions, true> {}
  interface Refusals extends Record<keyof typeof identityProblems, true> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    /** How passwords are hashed; without it as `createPasswordHasher` does. */
    readonly passwords?: PasswordHasher;
  }
}

/** Checks that read the whole store wait until the hub has started and its pages are open. */
const firstCheckAfterMs = 10 * 60_000;

export interface RunningIdentity extends RunningDomain {
  readonly deps: IdentityDeps;
}

/** Who may get in: the site and its owner, accounts, sessions, roles, service accounts, and the audit log. */
export const identity: Domain<RunningIdentity> = {
  name: 'identity',
  tables: identityTables,
  permissions,
  topics: {},
  problems: identityProblems,
  tags: {
    'sign-in': 'Signing in and out, the own sessions and the own password',
    accounts: 'Who can sign in',
    roles: 'What an account may do: roles are sets of permissions',
    sessions: 'Who is signed in where',
    'service accounts': 'How programs get in without being anybody: scopes and tokens',
    audit: 'Who changed what, in a chain that shows when something was cut out',
  },
  async open(core) {
    const deps: IdentityDeps = {
      ...core,
      passwords: core.ports.passwords ?? createPasswordHasher(),
      tokens: await openTokenKeys(await core.secret('tokens')),
      deviceKey: deviceKeyOf(await core.secret('tokens')),
      permissions: core.catalog.permissions,
      wire: permissionWireOf(core.catalog.permissions),
      async onClaimed(tx, claimed) {
        await core.raise(tx, siteChanged, claimed.site);
        await core.raise(tx, siteClaimed, claimed);
      },
      onSiteChanged: (tx, site) => core.raise(tx, siteChanged, site),
      onSessionsEnded: core.recheckSessions,
      memberExists: (reader, id) => core.ask(reader, memberExists, id),
    };
    const audit = auditHealth(core);
    const recheckAfterCommit = async (tx: Transaction): Promise<void> => tx.afterCommit(core.recheckSessions);
    return {
      deps,
      endpoints: identityEndpoints(deps),
      authenticator: createAuthenticator(deps),
      health: [audit.part],
      chores: [
        {
          name: 'refusedSignIns',
          everyMs: 60_000,
          run: () => core.store.transact('signIn.refusals', recordWaitingRefusals),
        },
        {
          name: 'auditCheck',
          dailyAt: '03:30',
          firstAfterMs: firstCheckAfterMs,
          isWholeCheck: true,
          run: () => audit.check(),
        },
      ],
      afterReplication: {
        async site(tx) {
          const site = await loadSite(tx);
          if (site !== null) await core.raise(tx, siteChanged, site);
        },
        account: recheckAfterCommit,
        service_account: recheckAfterCommit,
        role: recheckAfterCommit,
        role_assignment: recheckAfterCommit,
      },
      start: async () => void (await startIdentity(deps)),
    };
  },
};
