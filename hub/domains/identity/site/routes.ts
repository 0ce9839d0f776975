import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import type { IdentityDeps } from '../deps.ts';
import { findSite, type Site } from '../repository.ts';
import { claimCodeSchema, claimSchema, claimStateSchema, sitePatchSchema, siteSchema } from '../schema.ts';
import { browserAt, replyWithSession } from '../sessions/routes.ts';
import { changeSite, claimSite, makeClaimCode } from './workflow.ts';

const tag = 'system';

const siteToWire = (site: Site): z.input<typeof siteSchema> => ({
  id: site.id,
  version: site.version,
  createdAt: toIso(site.createdAtMs),
  updatedAt: toIso(site.updatedAtMs),
  name: site.name,
  timeZone: site.timeZone,
  claimedAt: toIso(site.claimedAtMs),
});

function claiming(deps: IdentityDeps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/api/system/claim',
      summary: 'Whether the hub has an owner',
      tag,
      access: { open: 'the page must know whether to show the set-up or the sign-in' },
      response: claimStateSchema,
      refusals: [],
      async handle() {
        const site = await findSite(deps.store.read);
        return ok({ claimed: site !== null, siteName: site?.name ?? null });
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/api/system/claim',
      summary: 'Make the site and its owner, with the code that the box shows',
      tag,
      access: { open: 'nobody has an account yet; it takes the code shown on the box, once' },
      body: claimSchema,
      response: deps.wire.currentSession,
      status: 201,
      ratePerMinute: 30,
      refusals: [
        'alreadyClaimed',
        'claimCodeWrong',
        'claimCodeExpired',
        'timeZoneUnknown',
        'passwordRefused',
        'tooManyAttempts',
        'signInBusy',
      ],
      async handle({ body, context }) {
        const opened = await claimSite(deps, body, browserAt(context));
        return opened.ok ? ok(await replyWithSession(deps, opened.value)) : opened;
      },
    }),
    // Before the claim there is no account, so whoever holds a permission is on the command line of the box.
    defineEndpoint({
      method: 'POST',
      path: '/api/system/claim-code',
      summary: 'Make a fresh claim code; the one before is void',
      tag,
      access: { permission: 'system.manage' },
      body: emptySchema,
      response: claimCodeSchema,
      answerIsSecret: true,
      status: 201,
      refusals: ['alreadyClaimed'],
      async handle({ principal }) {
        const made = await makeClaimCode(deps, principal);
        if (!made.ok) return made;
        return ok({ code: made.value.code, expiresAt: toIso(made.value.expiresAtMs) });
      },
    }),
  ];
}

/** The claim, and what it made: the site. */
export function claimEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...claiming(deps),
    defineEndpoint({
      method: 'GET',
      path: '/api/system/site',
      summary: 'Name and time zone of the site',
      tag,
      access: { permission: 'system.read' },
      response: siteSchema,
      refusals: ['siteNotFound'],
      async handle() {
        const site = await findSite(deps.store.read);
        return site === null ? refuse({ code: 'siteNotFound' }) : ok(siteToWire(site));
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: '/api/system/site',
      summary: 'Change the name or the time zone of the site',
      tag,
      access: { permission: 'system.manage' },
      body: sitePatchSchema,
      response: siteSchema,
      refusals: ['siteNotFound', 'staleVersion', 'timeZoneUnknown'],
      async handle({ principal, body }) {
        const changed = await changeSite(deps, principal, body);
        if (changed.ok) return ok(siteToWire(changed.value));
        const { refusal } = changed;
        if (refusal.code !== 'staleVersion') return refuse(refusal);
        return refuse({ ...refusal, current: siteToWire(refusal.current) });
      },
    }),
  ];
}
