import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint, Principal, Reply } from '#hub/http/endpoint.ts';
import { assert, ok, refuse } from '#hub/kernel/result.ts';
import type { IdentityDeps } from './deps.ts';
import { changeOwnPassword } from './password-workflow.ts';
import { findSite } from './repository.ts';
import { sessionLifeMs } from './rules.ts';
import {
  currentSessionSchema,
  emptySchema,
  idParamsSchema,
  passwordChangeSchema,
  sessionPageSchema,
  signInSchema,
} from './schema.ts';
import { clearedSessionCookie, printSessionCookie } from './session-token.ts';
import {
  closeSession,
  listOwnSessions,
  type OpenedSession,
  revokeSession,
  signIn,
  viewSession,
} from './session-workflow.ts';

type CurrentSession = z.input<typeof currentSessionSchema>;
type Deps = Pick<IdentityDeps, 'store' | 'clock' | 'newId' | 'passwords' | 'onSessionsEnded'>;

const tag = 'sign-in';
const iso = (ms: number): string => new Date(ms).toISOString();

async function currentSession(deps: Deps, sessionId: string): Promise<CurrentSession | null> {
  const view = await viewSession(deps.store.read, sessionId, deps.clock.nowMs());
  if (view === null) return null;
  const { account } = view;
  return {
    account: {
      id: account.id,
      username: account.username,
      displayName: account.displayName,
      memberId: account.memberId,
    },
    permissions: [...view.permissions],
    csrfToken: view.csrfToken,
    siteName: view.siteName,
    expiresAt: iso(view.expiresAtMs),
  };
}

/** The answer that gives the browser its cookie: the only place where the token leaves the hub. */
export async function replyWithSession(deps: Deps, opened: OpenedSession): Promise<Reply<CurrentSession>> {
  const body = await currentSession(deps, opened.session.id);
  assert(body !== null, 'the session was just committed');
  return { body, headers: { 'Set-Cookie': printSessionCookie(opened.token, sessionLifeMs) } };
}

const ownSession = (principal: Principal | null): string | null =>
  principal?.kind === 'account' ? principal.sessionId : null;

function signInOut(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: '/auth/session',
      summary: 'Sign in with username and password',
      tag,
      access: { open: 'this is how one gets in; wrong tries are counted and lock' },
      body: signInSchema,
      response: currentSessionSchema,
      status: 201,
      ratePerMinute: 60,
      refusals: { credentialsWrong: 401, accountDisabled: 403, tooManyAttempts: 429, signInBusy: 503 },
      async handle({ body, principal, context }) {
        const { remoteAddress } = context;
        const replacesSessionId = ownSession(principal);
        const opened = await signIn(deps, { ...body, remoteAddress, replacesSessionId });
        return opened.ok ? ok(await replyWithSession(deps, opened.value)) : opened;
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/auth/session',
      summary: 'Who is signed in, with which permissions',
      tag,
      access: { signedIn: true },
      response: currentSessionSchema,
      refusals: { sessionEnded: 401 },
      async handle({ principal }) {
        if (principal.kind === 'console') {
          const site = await findSite(deps.store.read);
          const permissions = [...principal.permissions];
          const siteName = site?.name ?? null;
          return ok({ body: { account: null, permissions, csrfToken: null, siteName, expiresAt: null } });
        }
        const body = await currentSession(deps, principal.sessionId);
        return body === null ? refuse({ code: 'sessionEnded' }) : ok({ body });
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/auth/session',
      summary: 'Sign out',
      tag,
      access: { signedIn: true },
      response: emptySchema,
      refusals: {},
      async handle({ principal }) {
        if (principal.kind === 'account') await closeSession(deps, { ...principal, id: principal.sessionId });
        return ok({ body: {}, headers: { 'Set-Cookie': clearedSessionCookie } });
      },
    }),
  ];
}

/** Signing in and out, one's own sessions and one's own password. */
export function sessionEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    ...signInOut(deps),
    defineEndpoint({
      method: 'GET',
      path: '/auth/sessions',
      summary: 'Where this account is signed in, the last used first',
      tag,
      access: { signedIn: true },
      response: sessionPageSchema,
      refusals: {},
      async handle({ principal }) {
        const sessions = await listOwnSessions(deps, principal.accountId);
        const items = sessions.map((session) => ({
          id: session.id,
          createdAt: iso(session.createdAtMs),
          lastUsedAt: iso(session.lastUsedAtMs),
          expiresAt: iso(session.expiresAtMs),
          remoteAddress: session.remoteAddress,
          current: session.id === principal.sessionId,
        }));
        return ok({ body: { items, nextCursor: null } });
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/auth/sessions/{id}',
      summary: 'Sign out one of the own sessions',
      tag,
      access: { signedIn: true },
      params: idParamsSchema,
      response: emptySchema,
      refusals: { sessionMissing: 404 },
      async handle({ principal, params }) {
        const revoked = await revokeSession(deps, principal, params.id);
        return revoked.ok ? ok({ body: {} }) : revoked;
      },
    }),
    defineEndpoint({
      method: 'PUT',
      path: '/api/accounts/me/password',
      summary: 'Change the own password; signs out everywhere else',
      tag,
      access: { signedIn: true },
      body: passwordChangeSchema,
      response: currentSessionSchema,
      ratePerMinute: 60,
      refusals: {
        noAccount: 409,
        currentPasswordWrong: 422,
        passwordRefused: 422,
        tooManyAttempts: 429,
        signInBusy: 503,
      },
      async handle({ principal, body, context }) {
        const changed = await changeOwnPassword(deps, principal, body, context.remoteAddress);
        return changed.ok ? ok(await replyWithSession(deps, changed.value)) : changed;
      },
    }),
  ];
}
