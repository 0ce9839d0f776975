import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { type CallContext, type Endpoint, type Principal, Reply } from '#hub/http/endpoint/endpoint.ts';
import { pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { assert, ok, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import { changeOwnPassword } from '../accounts/password-workflow.ts';
import type { IdentityDeps } from '../deps.ts';
import { findSite } from '../repository.ts';
import { sessionEndMs, sessionLifeMs } from '../rules.ts';
import {
  type CurrentSessionSchema,
  idParamsSchema,
  ownSessionPageSchema,
  passwordChangeSchema,
  sessionPageSchema,
  sessionQuerySchema,
  sessionsEndedSchema,
  signInSchema,
} from '../schema.ts';
import { describeDevice } from '../tokens/rules.ts';
import { printDeviceCookie } from './known-device.ts';
import {
  listOwnSessions,
  loadSessionView,
  pageSessions,
  revokeOtherSessions,
  revokeOwnSession,
  revokeSession,
} from './list-workflow.ts';
import type { Session } from './repository.ts';
import { clearedSessionCookie, printSessionCookie } from './token.ts';
import { closeSession, type OpenedSession, type SignInPlace, signIn } from './workflow.ts';

type CurrentSession = z.input<CurrentSessionSchema>;
type Deps = Pick<
  IdentityDeps,
  'store' | 'clock' | 'newId' | 'passwords' | 'permissions' | 'wire' | 'deviceKey' | 'onSessionsEnded'
>;

const tag = 'sign-in';

async function currentSession(deps: Deps, sessionId: string): Promise<CurrentSession | null> {
  const view = await loadSessionView(deps.store.read, sessionId, deps.clock.nowMs());
  if (view === null) return null;
  const { account } = view;
  return {
    account: {
      id: account.id,
      username: account.username,
      displayName: account.displayName,
      memberId: account.memberId,
    },
    serviceAccount: null,
    permissions: deps.permissions.pick(view.permissions),
    csrfToken: view.csrfToken,
    siteName: view.siteName,
    expiresAt: toIso(view.endsAtMs),
  };
}

/** Describes a caller without a session: the command line or a service account. */
async function sessionless(deps: Deps, principal: Principal): Promise<CurrentSession> {
  const site = await findSite(deps.store.read);
  const { kind, accountId, displayName, permissions } = principal;
  return {
    account: null,
    serviceAccount: kind === 'service' ? { id: accountId, name: displayName } : null,
    permissions: deps.permissions.pick(permissions),
    csrfToken: null,
    siteName: site?.name ?? null,
    expiresAt: null,
  };
}

/** Returns the place of a browser sign-in. */
export const browserAt = ({ remoteAddress, userAgent, deviceToken }: CallContext): SignInPlace => ({
  kind: 'browser',
  remoteAddress,
  device: describeDevice(userAgent),
  deviceToken,
});

const sessionToWire = (session: Session, principal: Principal) => ({
  id: session.id,
  kind: session.kind,
  device: session.device,
  createdAt: toIso(session.createdAtMs),
  lastUsedAt: toIso(session.lastUsedAtMs),
  expiresAt: toIso(sessionEndMs(session)),
  remoteAddress: session.remoteAddress,
  current: session.id === principal.sessionId,
});

/** Builds the response that sets the session cookie: the only place where the token leaves the hub. */
export async function replyWithSession(deps: Deps, opened: OpenedSession): Promise<Reply<CurrentSession>> {
  const body = await currentSession(deps, opened.session.id);
  assert(body !== null, 'the session was just committed');
  const { deviceToken } = opened;
  const cookies = [
    printSessionCookie(opened.token, sessionLifeMs),
    ...(deviceToken === undefined ? [] : [printDeviceCookie(deviceToken)]),
  ];
  return new Reply(body, { headers: { 'Set-Cookie': cookies } });
}

/** Builds the response to signing out, which clears a browser's cookie. */
export const replySignedOut = (endedBrowser: boolean): Reply<Record<string, never>> =>
  new Reply({}, endedBrowser ? { headers: { 'Set-Cookie': clearedSessionCookie } } : {});

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
      response: deps.wire.currentSession,
      status: 201,
      ratePerMinute: 60,
      refusals: ['credentialsWrong', 'accountDisabled', 'tooManyAttempts', 'signInBusy'],
      async handle({ body, principal, context }) {
        const replacesSessionId = ownSession(principal);
        const opened = await signIn(deps, { ...body, ...browserAt(context), replacesSessionId });
        return opened.ok ? ok(await replyWithSession(deps, opened.value)) : opened;
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/auth/session',
      summary: 'Who is signed in, with which permissions',
      tag,
      access: { signedIn: true },
      response: deps.wire.currentSession,
      refusals: ['sessionEnded'],
      async handle({ principal }) {
        if (principal.kind !== 'account') return ok(await sessionless(deps, principal));
        const body = await currentSession(deps, principal.sessionId);
        return body === null ? refuse({ code: 'sessionEnded' }) : ok(body);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/auth/session',
      summary: 'Sign out',
      tag,
      access: { signedIn: true },
      response: emptySchema,
      refusals: [],
      async handle({ principal }) {
        if (principal.kind !== 'account') return ok({});
        const { endedBrowser } = await closeSession(deps, { ...principal, id: principal.sessionId });
        return ok(replySignedOut(endedBrowser));
      },
    }),
  ];
}

function ownSessions(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/auth/sessions',
      summary: 'Where this account is signed in, the last used first',
      tag,
      access: { signedIn: true },
      response: ownSessionPageSchema,
      refusals: [],
      async handle({ principal }) {
        const sessions = await listOwnSessions(deps, principal.accountId);
        const items = sessions.map((session) => sessionToWire(session, principal));
        return ok({ items, nextCursor: null });
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/auth/sessions/{id}',
      summary: 'Sign out one of the own sessions at once',
      tag,
      access: { signedIn: true },
      params: idParamsSchema,
      response: emptySchema,
      refusals: ['sessionNotFound'],
      async handle({ principal, params }) {
        const revoked = await revokeOwnSession(deps, principal, params.id);
        return revoked.ok ? ok({}) : revoked;
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/auth/sessions/revoke-others',
      summary: 'Sign out everywhere but here',
      tag,
      access: { signedIn: true },
      response: sessionsEndedSchema,
      refusals: [],
      async handle({ principal }) {
        return ok({ ended: await revokeOtherSessions(deps, principal) });
      },
    }),
  ];
}

function allSessions(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/api/access-control/sessions',
      summary: 'Who is signed in where, the newest first',
      tag: 'sessions',
      access: { permission: 'account.read' },
      query: sessionQuerySchema,
      response: sessionPageSchema,
      refusals: pageRefusals,
      async handle({ principal, query }) {
        const page = await pageSessions(deps, query);
        if (!page.ok) return page;
        const items = page.value.items.map((session) => ({
          ...sessionToWire(session, principal),
          account: {
            id: session.accountId,
            username: session.username,
            displayName: session.displayName,
          },
        }));
        return ok({ items, nextCursor: page.value.nextCursor });
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/api/access-control/sessions/{id}',
      summary: 'Sign somebody out at once, whose rights one holds oneself',
      tag: 'sessions',
      access: { permission: 'account.manage' },
      params: idParamsSchema,
      response: emptySchema,
      refusals: ['sessionNotFound', 'beyondOwnPermissions'],
      async handle({ principal, params }) {
        const revoked = await revokeSession(deps, principal, params.id);
        return revoked.ok ? ok({}) : revoked;
      },
    }),
  ];
}

/** Signing in and out in a browser, sessions, and one's own password. */
export function sessionEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    ...signInOut(deps),
    ...ownSessions(deps),
    ...allSessions(deps),
    defineEndpoint({
      method: 'PUT',
      path: '/api/accounts/me/password',
      summary: 'Change the own password; signs out everywhere else',
      tag,
      access: { signedIn: true },
      body: passwordChangeSchema,
      response: deps.wire.currentSession,
      answerIsSecret: true,
      ratePerMinute: 60,
      refusals: [
        'noAccount',
        'currentPasswordWrong',
        'passwordRefused',
        'tooManyAttempts',
        'signInBusy',
        'sessionEnded',
      ],
      async handle({ principal, body, context }) {
        const changed = await changeOwnPassword(deps, principal, body, browserAt(context));
        if (!changed.ok) return changed;
        if (changed.value !== null) return ok(await replyWithSession(deps, changed.value));
        const session = await currentSession(deps, principal.sessionId);
        return session === null ? refuse({ code: 'sessionEnded' }) : ok(session);
      },
    }),
  ];
}
