import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import type { IdentityDeps } from '../deps.ts';
import {
  type AccountStatus,
  accountCreateSchema,
  accountPageSchema,
  accountPatchSchema,
  accountQuerySchema,
  accountSchema,
  idParamsSchema,
  passwordResetSchema,
} from '../schema.ts';
import { accountOrder, countAccounts, placeOfAccount } from './repository.ts';
import {
  type AccountView,
  changeAccount,
  createAccount,
  loadAccount,
  loadAccounts,
  resetPassword,
  setAccountStatus,
} from './workflow.ts';

type Deps = Pick<
  IdentityDeps,
  'store' | 'clock' | 'newId' | 'passwords' | 'permissions' | 'memberExists' | 'onSessionsEnded'
>;

const tag = 'accounts';

function accountToWire({ account, roles }: AccountView): z.input<typeof accountSchema> {
  return {
    id: account.id,
    version: account.version,
    createdAt: toIso(account.createdAtMs),
    updatedAt: toIso(account.updatedAtMs),
    username: account.username,
    displayName: account.displayName,
    status: account.status,
    memberId: account.memberId,
    roles: roles.map(({ role, expiresAtMs }) => ({
      roleId: role.id,
      name: role.name,
      expiresAt: expiresAtMs === null ? null : toIso(expiresAtMs),
    })),
  };
}

function reading(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/api/accounts',
      summary: 'Who can sign in, in the order of creation',
      tag,
      access: { permission: 'account.read' },
      query: accountQuerySchema,
      response: accountPageSchema,
      refusals: pageRefusals,
      async handle({ query }) {
        const { sort } = query;
        const order = accountOrder(sort);
        const asked = openPage(query, order.columns.length);
        if (!asked.ok) return asked;
        const { after, limit, cut, count } = asked.value;
        const views = await loadAccounts(deps.store.read, query, { order, after, limit }, deps.clock.nowMs());
        const page = cut(views, (view) => placeOfAccount(sort, view.account));
        const total = await count(deps.store, (reader) => countAccounts(reader, query));
        return ok({ items: page.rows.map(accountToWire), nextCursor: page.nextCursor, ...total });
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/api/accounts/{id}',
      summary: 'One account with its roles',
      tag,
      access: { permission: 'account.read' },
      params: idParamsSchema,
      response: accountSchema,
      refusals: ['accountNotFound'],
      async handle({ params }) {
        const found = await loadAccount(deps.store.read, params.id, deps.clock.nowMs());
        return found.ok ? ok(accountToWire(found.value)) : found;
      },
    }),
  ];
}

function statusEndpoint(deps: Deps, verb: 'disable' | 'enable', status: AccountStatus): Endpoint {
  return defineEndpoint({
    method: 'POST',
    path: `/api/accounts/{id}/${verb}`,
    summary: verb === 'disable' ? 'Disable an account and sign it out everywhere' : 'Enable an account again',
    tag,
    access: { permission: 'account.manage' },
    params: idParamsSchema,
    response: accountSchema,
    refusals: ['accountNotFound', 'beyondOwnPermissions', 'lastOwner', 'ownAccount'],
    async handle({ principal, params }) {
      const set = await setAccountStatus(deps, principal, params.id, status);
      return set.ok ? ok(accountToWire(set.value)) : set;
    },
  });
}

/** Accounts: who can sign in. */
export function accountEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    ...reading(deps),
    defineEndpoint({
      method: 'POST',
      path: '/api/accounts',
      summary: 'Add an account; it gets its roles afterwards',
      tag,
      access: { permission: 'account.manage' },
      body: accountCreateSchema,
      response: accountSchema,
      status: 201,
      refusals: ['usernameTaken', 'memberUnknown', 'memberHasAccount', 'passwordRefused', 'signInBusy'],
      async handle({ principal, body }) {
        const made = await createAccount(deps, principal, body);
        return made.ok ? ok(accountToWire(made.value)) : made;
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: '/api/accounts/{id}',
      summary: 'Change username, name or member of an account',
      tag,
      access: { permission: 'account.manage' },
      params: idParamsSchema,
      body: accountPatchSchema,
      response: accountSchema,
      refusals: [
        'accountNotFound',
        'beyondOwnPermissions',
        'staleVersion',
        'usernameTaken',
        'memberUnknown',
        'memberHasAccount',
      ],
      async handle({ principal, params, body }) {
        const changed = await changeAccount(deps, principal, params.id, body);
        if (changed.ok) return ok(accountToWire(changed.value));
        const { refusal } = changed;
        if (refusal.code !== 'staleVersion') return refuse(refusal);
        return refuse({ ...refusal, current: accountToWire(refusal.current) });
      },
    }),
    statusEndpoint(deps, 'disable', 'disabled'),
    statusEndpoint(deps, 'enable', 'active'),
    defineEndpoint({
      method: 'PUT',
      path: '/api/accounts/{id}/password',
      summary: 'Set a new password for somebody else, who is signed out everywhere',
      tag,
      access: { permission: 'account.manage' },
      params: idParamsSchema,
      body: passwordResetSchema,
      response: emptySchema,
      refusals: ['accountNotFound', 'beyondOwnPermissions', 'ownAccount', 'passwordRefused', 'signInBusy'],
      async handle({ principal, params, body }) {
        const reset = await resetPassword(deps, principal, params.id, body.password);
        return reset.ok ? ok({}) : reset;
      },
    }),
  ];
}
