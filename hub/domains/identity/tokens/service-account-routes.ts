import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import { emptySchema, pageQuerySchema } from '#hub/kernel/wire.ts';
import type { IdentityDeps } from '../deps.ts';
import { idParamsSchema } from '../schema.ts';
import { createToken, type FreshToken, revokeToken, rotateToken } from './access-token-workflow.ts';
import {
  type AccessTokenWire,
  accessTokenParamsSchema,
  accessTokenRotateSchema,
  type FreshTokenWire,
  type ServiceAccountStatus,
  type ServiceAccountWire,
} from './schema.ts';
import { type AccessToken, countServiceAccounts } from './service-account-repository.ts';
import {
  changeServiceAccount,
  createServiceAccount,
  deleteServiceAccount,
  loadServiceAccount,
  loadServiceAccounts,
  type ServiceAccountView,
  setServiceAccountStatus,
} from './service-account-workflow.ts';

type Deps = Pick<IdentityDeps, 'store' | 'clock' | 'newId' | 'onSessionsEnded' | 'permissions' | 'wire'>;

const tag = 'service accounts';
const base = '/api/access-control/service-accounts';
const msOrNull = (text: string | null): number | null => (text === null ? null : Date.parse(text));

const tokenToWire = ({ permissions }: Deps, token: AccessToken, nowMs: number): AccessTokenWire => ({
  id: token.id,
  name: token.name,
  ending: token.ending,
  scopes: token.scopes === null ? null : permissions.pick(token.scopes),
  createdAt: toIso(token.createdAtMs),
  expiresAt: toIsoOrNull(token.expiresAtMs),
  expired: token.expiresAtMs !== null && token.expiresAtMs <= nowMs,
  lastUsedAt: toIsoOrNull(token.lastUsedAtMs),
  lastUsedAddress: token.lastUsedAddress,
  madeBy: token.maker,
});

const toWire = (
  deps: Deps,
  { account, owner, effectiveScopes, tokens }: ServiceAccountView,
  nowMs: number,
): ServiceAccountWire => ({
  id: account.id,
  version: account.version,
  createdAt: toIso(account.createdAtMs),
  updatedAt: toIso(account.updatedAtMs),
  name: account.name,
  purpose: account.purpose,
  status: account.status,
  owner: { id: account.ownerId, ...owner },
  scopes: deps.permissions.pick(account.scopes),
  effectiveScopes: deps.permissions.pick(effectiveScopes),
  tokens: tokens.map((token) => tokenToWire(deps, token, nowMs)),
});

/** The only answer in which a token's text leaves the hub. */
const freshToWire = (deps: Deps, { token, text }: FreshToken, nowMs: number): FreshTokenWire => ({
  token: text,
  accessToken: tokenToWire(deps, token, nowMs),
});

function reading(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: base,
      summary: 'Service accounts with their tokens, in the order of creation',
      tag,
      access: { permission: 'serviceAccount.read' },
      query: pageQuerySchema,
      response: deps.wire.serviceAccountPage,
      refusals: pageRefusals,
      async handle({ query }) {
        const asked = openPage(query, 1);
        if (!asked.ok) return asked;
        const { after, limit, cut, count } = asked.value;
        const nowMs = deps.clock.nowMs();
        const views = await loadServiceAccounts(deps.store.read, { after, limit }, nowMs);
        const page = cut(views, (view) => [view.account.id]);
        const items = page.rows.map((view) => toWire(deps, view, nowMs));
        const total = await count(deps.store, countServiceAccounts);
        return ok({ items, nextCursor: page.nextCursor, ...total });
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: `${base}/{id}`,
      summary: 'One service account with its tokens',
      tag,
      access: { permission: 'serviceAccount.read' },
      params: idParamsSchema,
      response: deps.wire.serviceAccount,
      refusals: ['serviceAccountNotFound'],
      async handle({ params }) {
        const nowMs = deps.clock.nowMs();
        const found = await loadServiceAccount(deps.store.read, params.id, nowMs);
        return found.ok ? ok(toWire(deps, found.value, nowMs)) : found;
      },
    }),
  ];
}

function changing(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: base,
      summary: 'Add a service account; it gets its tokens afterwards',
      tag,
      access: { permission: 'serviceAccount.manage' },
      body: deps.wire.serviceAccountCreate,
      response: deps.wire.serviceAccount,
      status: 201,
      refusals: [
        'personNeeded',
        'beyondOwnPermissions',
        'ownerUnknown',
        'serviceAccountNameTaken',
        'tooManyServiceAccounts',
      ],
      async handle({ principal, body }) {
        const made = await createServiceAccount(deps, principal, body);
        return made.ok ? ok(toWire(deps, made.value, deps.clock.nowMs())) : made;
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: `${base}/{id}`,
      summary: 'Change name, purpose, scopes or owner of a service account',
      tag,
      access: { permission: 'serviceAccount.manage' },
      params: idParamsSchema,
      body: deps.wire.serviceAccountPatch,
      response: deps.wire.serviceAccount,
      refusals: [
        'serviceAccountNotFound',
        'personNeeded',
        'beyondOwnPermissions',
        'ownerUnknown',
        'serviceAccountNameTaken',
        'staleVersion',
      ],
      async handle({ principal, params, body }) {
        const changed = await changeServiceAccount(deps, principal, params.id, body);
        const nowMs = deps.clock.nowMs();
        if (changed.ok) return ok(toWire(deps, changed.value, nowMs));
        const { refusal } = changed;
        if (refusal.code !== 'staleVersion') return refuse(refusal);
        return refuse({ ...refusal, current: toWire(deps, refusal.current, nowMs) });
      },
    }),
    statusEndpoint(deps, 'disable', 'disabled'),
    statusEndpoint(deps, 'enable', 'active'),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/{id}`,
      summary: 'Delete a service account; its tokens stop at once',
      tag,
      access: { permission: 'serviceAccount.manage' },
      params: idParamsSchema,
      response: emptySchema,
      refusals: ['serviceAccountNotFound', 'beyondOwnPermissions'],
      async handle({ principal, params }) {
        const deleted = await deleteServiceAccount(deps, principal, params.id);
        return deleted.ok ? ok({}) : deleted;
      },
    }),
  ];
}

function statusEndpoint(deps: Deps, verb: 'disable' | 'enable', status: ServiceAccountStatus): Endpoint {
  return defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/${verb}`,
    summary:
      verb === 'disable'
        ? 'Disable a service account; its tokens stop at once'
        : 'Enable a service account again',
    tag,
    access: { permission: 'serviceAccount.manage' },
    params: idParamsSchema,
    response: deps.wire.serviceAccount,
    refusals: ['serviceAccountNotFound', 'personNeeded', 'beyondOwnPermissions'],
    async handle({ principal, params }) {
      const set = await setServiceAccountStatus(deps, principal, params.id, status);
      return set.ok ? ok(toWire(deps, set.value, deps.clock.nowMs())) : set;
    },
  });
}

function tokenEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: `${base}/{id}/tokens`,
      summary: 'Give out a token; its text is shown this once',
      tag,
      access: { permission: 'serviceAccount.manage' },
      params: idParamsSchema,
      body: deps.wire.accessTokenCreate,
      response: deps.wire.freshToken,
      answerIsSecret: true,
      status: 201,
      refusals: [
        'serviceAccountNotFound',
        'personNeeded',
        'beyondOwnPermissions',
        'scopesTooWide',
        'endsInThePast',
        'accessTokenNameTaken',
        'tooManyAccessTokens',
      ],
      async handle({ principal, params, body }) {
        const { name, scopes, expiresAt } = body;
        const draft = { name, scopes, expiresAtMs: msOrNull(expiresAt) };
        const made = await createToken(deps, principal, params.id, draft);
        return made.ok ? ok(freshToWire(deps, made.value, deps.clock.nowMs())) : made;
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/{id}/tokens/{tokenId}/rotate`,
      summary: 'Put a fresh token in the place of one, which stops at once',
      tag,
      access: { permission: 'serviceAccount.manage' },
      params: accessTokenParamsSchema,
      body: accessTokenRotateSchema,
      response: deps.wire.freshToken,
      answerIsSecret: true,
      refusals: [
        'serviceAccountNotFound',
        'accessTokenNotFound',
        'personNeeded',
        'beyondOwnPermissions',
        'endsInThePast',
      ],
      async handle({ principal, params, body }) {
        const { expiresAt } = body;
        const expiresAtMs = expiresAt === undefined ? undefined : msOrNull(expiresAt);
        const rotated = await rotateToken(deps, principal, params.id, params.tokenId, { expiresAtMs });
        return rotated.ok ? ok(freshToWire(deps, rotated.value, deps.clock.nowMs())) : rotated;
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: `${base}/{id}/tokens/{tokenId}`,
      summary: 'Revoke a token at once',
      tag,
      access: { permission: 'serviceAccount.manage' },
      params: accessTokenParamsSchema,
      response: emptySchema,
      refusals: ['serviceAccountNotFound', 'accessTokenNotFound', 'beyondOwnPermissions'],
      async handle({ principal, params }) {
        const revoked = await revokeToken(deps, principal, params.id, params.tokenId);
        return revoked.ok ? ok({}) : revoked;
      },
    }),
  ];
}

/** Service accounts and their tokens: how programs get in without being anybody. */
export function serviceAccountEndpoints(deps: Deps): readonly Endpoint[] {
  return [...reading(deps), ...changing(deps), ...tokenEndpoints(deps)];
}
