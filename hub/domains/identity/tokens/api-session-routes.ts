import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import type { IdentityDeps } from '../deps.ts';
import { signInSchema } from '../schema.ts';
import { replySignedOut } from '../sessions/routes.ts';
import { logIn, logOut, refresh, type TokenPair } from './api-session-workflow.ts';
import { describeDevice } from './rules.ts';
import { logoutSchema, refreshSchema, tokenPairSchema } from './schema.ts';

type Deps = Pick<IdentityDeps, 'store' | 'passwords' | 'deviceKey' | 'newId' | 'tokens' | 'onSessionsEnded'>;

const tag = 'sign-in';

const pairToWire = (pair: TokenPair): z.input<typeof tokenPairSchema> => ({
  accessToken: pair.accessToken,
  tokenType: 'Bearer',
  expiresIn: Math.floor(pair.accessExpiresInMs / 1000),
  refreshToken: pair.refreshToken,
  refreshExpiresIn: Math.floor(pair.refreshExpiresInMs / 1000),
});

/** Signing in and out of programs: a short access token and a rotating refresh token. */
export function apiSessionEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: '/auth/login',
      summary: 'Sign a program in: an access token, and a refresh token that works once',
      tag,
      access: { open: 'this is how a program gets in; wrong tries are counted and lock' },
      body: signInSchema,
      response: tokenPairSchema,
      answerIsSecret: true,
      ratePerMinute: 60,
      refusals: ['credentialsWrong', 'accountDisabled', 'tooManyAttempts', 'signInBusy'],
      async handle({ body, context }) {
        const { remoteAddress, userAgent } = context;
        const given = { ...body, remoteAddress, device: describeDevice(userAgent) };
        const pair = await logIn(deps, given);
        return pair.ok ? ok(pairToWire(pair.value)) : pair;
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/auth/refresh',
      summary: 'Trade a refresh token for the next one and a fresh access token',
      tag,
      access: { open: 'the refresh token says who asks; one that was used before revokes its session' },
      body: refreshSchema,
      response: tokenPairSchema,
      answerIsSecret: true,
      ratePerMinute: 120,
      refusals: ['refreshTokenInvalid', 'refreshTokenExpired', 'refreshTokenReused'],
      async handle({ body, context }) {
        const pair = await refresh(deps, body.refreshToken, context.remoteAddress);
        return pair.ok ? ok(pairToWire(pair.value)) : pair;
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/auth/logout',
      summary: 'End the session of the request, or of the refresh token, at once',
      tag,
      access: { open: 'who holds a token of a session may give it up, also when its access token has ended' },
      body: logoutSchema,
      response: emptySchema,
      ratePerMinute: 120,
      refusals: ['signInRequired'],
      async handle({ principal, body }) {
        const out = await logOut(deps, principal, body.refreshToken);
        if (!out.ok) return out;
        return ok(replySignedOut(out.value.endedBrowser));
      },
    }),
  ];
}
