import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, type Stale } from '#hub/store/written.ts';
import type { HasherBusy } from '../accounts/password.ts';
import { checkNewPassword, type NewPasswordRefused } from '../accounts/password-workflow.ts';
import { savePassword } from '../accounts/repository.ts';
import type { IdentityDeps } from '../deps.ts';
import {
  countClaimTry,
  findClaimCode,
  findSite,
  replaceClaimCode,
  rowToSite,
  type Site,
} from '../repository.ts';
import { findBuiltInRole, printPermissions } from '../roles/repository.ts';
import {
  bytesToClaimCode,
  claimCodeLength,
  claimLifeMs,
  claimTries,
  groupClaimCode,
  isTimeZone,
  normaliseClaimCode,
  normaliseUsername,
} from '../rules.ts';
import {
  type AttemptKey,
  beginAttempt,
  settleAttempt,
  type TooManyAttempts,
} from '../sessions/attempt-workflow.ts';
import { type OpenedSession, openSession, type SignInPlace } from '../sessions/workflow.ts';
import { actorOf, recordAudit } from '../workflow.ts';

export interface FreshClaimCode {
  /** As it is shown: `K7QF-2M9X`. It exists nowhere else. */
  readonly code: string;
  readonly expiresAtMs: number;
}

export type AlreadyClaimed = Refusal<'alreadyClaimed'> & { readonly nextStep: string };
type TimeZoneUnknown = FieldRefusal<'timeZoneUnknown'>;
export type ClaimRefusal =
  | AlreadyClaimed
  | (Refusal<'claimCodeWrong'> & { readonly triesLeft: number; readonly nextStep: string })
  | (Refusal<'claimCodeExpired'> & { readonly nextStep: string })
  | TimeZoneUnknown
  | NewPasswordRefused
  | TooManyAttempts
  | HasherBusy;

type ClaimDeps = Pick<IdentityDeps, 'store' | 'newId' | 'passwords' | 'onClaimed'>;

export interface ClaimRequest {
  readonly code: string;
  readonly siteName: string;
  readonly timeZone: string;
  readonly displayName: string;
  readonly username: string;
  readonly password: string;
  readonly starterRules: boolean;
}

const alreadyClaimed: AlreadyClaimed = {
  code: 'alreadyClaimed',
  nextStep: 'Sign in. Who has lost the owner’s password sets a new one on the command line of the box.',
};
const codeVoid = {
  code: 'claimCodeExpired',
  nextStep: 'Start the hub again or run `makrcave-hub claim-code` on the box for a fresh code.',
} as const;

/**
 * Before the hub listens: the built-in roles as this release has them, and a claim code when nobody owns the hub yet.
 */
export async function startIdentity(
  deps: Pick<IdentityDeps, 'store' | 'newId' | 'permissions'>,
): Promise<FreshClaimCode | null> {
  await deps.store.transact('identity.start', (tx) => seedBuiltInRoles(tx, deps));
  const made = await makeClaimCode(deps, null);
  return made.ok ? made.value : null;
}

async function seedBuiltInRoles(
  tx: Transaction,
  deps: Pick<IdentityDeps, 'newId' | 'permissions'>,
): Promise<void> {
  for (const [name, granted] of Object.entries(deps.permissions.builtInRoles())) {
    const stored = await findBuiltInRole(tx, name);
    const permissions = printPermissions(granted);
    if (stored === null) {
      await tx.insert('role', { id: deps.newId(), name, description: '', built_in: 1, permissions });
    } else if (printPermissions(deps.permissions.pick(stored.permissions)) !== permissions) {
      await tx.write('role', stored.id, { permissions });
      await recordAudit(tx, {
        actor: { kind: 'system' },
        action: 'role.update',
        target: { table: 'role', id: stored.id },
        payload: { name, permissions: [...granted], reason: 'this release of the hub has it so' },
      });
    }
  }
}

/** Makes a new claim code and voids the old one. `asker` is null when the hub itself starts. */
export async function makeClaimCode(
  deps: Pick<IdentityDeps, 'store'>,
  asker: Principal | null,
): Promise<Result<FreshClaimCode, AlreadyClaimed>> {
  const code = bytesToClaimCode(randomBytes(claimCodeLength));
  const salt = randomBytes(16).toString('hex');
  return deps.store.transact('claim.code', async (tx) => {
    if ((await findSite(tx)) !== null) return refuse(alreadyClaimed);
    const expiresAtMs = tx.nowMs + claimLifeMs;
    await replaceClaimCode(tx, { salt, codeHash: hashCode(salt, code), expiresAtMs, tries: 0 });
    await recordAudit(tx, {
      actor: asker === null ? { kind: 'system' } : actorOf(asker),
      action: 'claimCode.make',
      target: null,
      payload: {},
    });
    return ok({ code: groupClaimCode(code), expiresAtMs });
  });
}

/**
 * Makes the site and its owner with the code shown on the box. All or nothing, once; whoever comes second is refused.
 */
export async function claimSite(
  deps: ClaimDeps,
  asked: ClaimRequest,
  place: SignInPlace,
): Promise<Result<OpenedSession, ClaimRefusal>> {
  if ((await findSite(deps.store.read)) !== null) return refuse(alreadyClaimed);
  if (!isTimeZone(asked.timeZone)) return refuse(timeZoneUnknown('/body/timeZone'));
  const username = normaliseUsername(asked.username);
  const names = [username, asked.displayName, asked.siteName];
  const allowed = await checkNewPassword(asked.password, names, '/body/password');
  if (!allowed.ok) return allowed;
  const key: AttemptKey = { kind: 'claim', of: [place.remoteAddress] };
  const { result: tried } = await deps.store.transact('claim.try', (tx) => tryCode(tx, key, asked.code));
  if (!tried.ok) return tried;
  const hashed = await deps.passwords.hash(asked.password);
  if (!hashed.ok) return hashed;
  return deps.store.transact('claim', async (tx) => {
    if ((await findSite(tx)) !== null) return refuse(alreadyClaimed);
    // A code made in the meantime has voided the one that was right a moment ago.
    if ((await findClaimCode(tx))?.codeHash !== tried.value) return refuse(codeVoid);
    return ok(await establish(tx, deps, { ...asked, username, phc: hashed.value, place }));
  });
}

/** Wrapped, so that a refusal commits: the try must stay counted. The value is the hash of the right code. */
interface TriedCode {
  readonly result: Result<string, ClaimRefusal>;
}

async function tryCode(tx: Transaction, key: AttemptKey, typed: string): Promise<TriedCode> {
  const begun = await beginAttempt(tx, [key]);
  if (!begun.ok) return { result: begun };
  const code = await findClaimCode(tx);
  if (code === null || tx.nowMs >= code.expiresAtMs || code.tries >= claimTries)
    return { result: refuse(codeVoid) };
  const typedHash = Buffer.from(hashCode(code.salt, normaliseClaimCode(typed)), 'hex');
  if (timingSafeEqual(typedHash, Buffer.from(code.codeHash, 'hex'))) {
    await settleAttempt(tx, begun.value, ['claim']);
    return { result: ok(code.codeHash) };
  }
  const tries = code.tries + 1;
  await countClaimTry(tx, tries);
  await recordAudit(tx, {
    actor: { kind: 'system' },
    action: 'claim.refuse',
    target: null,
    payload: { tries },
  });
  const triesLeft = claimTries - tries;
  const nextStep = triesLeft > 0 ? 'Compare it with the code that the box shows.' : codeVoid.nextStep;
  return { result: refuse({ code: 'claimCodeWrong', triesLeft, nextStep }) };
}

async function establish(
  tx: Transaction,
  deps: ClaimDeps,
  asked: ClaimRequest & { readonly phc: string; readonly place: SignInPlace },
): Promise<OpenedSession> {
  const siteId = deps.newId();
  await tx.insert('site', {
    id: siteId,
    name: asked.siteName,
    time_zone: asked.timeZone,
    claimed_at_ms: tx.nowMs,
  });
  const accountId = deps.newId();
  await tx.insert('account', {
    id: accountId,
    username: asked.username,
    display_name: asked.displayName,
    status: 'active',
    member_id: null,
  });
  await savePassword(tx, accountId, asked.phc);
  const owner = await findBuiltInRole(tx, 'super_admin');
  assert(owner !== null, 'the built-in roles are seeded before the hub listens');
  await tx.insert('role_assignment', {
    id: deps.newId(),
    account_id: accountId,
    role_id: owner.id,
    expires_at_ms: null,
  });
  await replaceClaimCode(tx, null);
  await recordAudit(tx, {
    actor: { kind: 'account', id: accountId, name: asked.displayName },
    action: 'site.claim',
    target: { table: 'site', id: siteId },
    payload: { siteName: asked.siteName, timeZone: asked.timeZone, remoteAddress: asked.place.remoteAddress },
  });
  const site = await findSite(tx);
  assert(site !== null, 'the site was just made');
  await deps.onClaimed(tx, { site, ownerAccountId: accountId, starterRules: asked.starterRules });
  return openSession(tx, deps, accountId, asked.place);
}

function timeZoneUnknown(pointer: string): TimeZoneUnknown {
  const message = 'is no time zone that this hub knows; use an IANA name such as Europe/Berlin';
  return { code: 'timeZoneUnknown', errors: [{ pointer, message }] };
}

export type SitePatchRefusal = Stale<Site> | Refusal<'siteNotFound'> | TimeZoneUnknown;

/** Changes the site's name or time zone; `onSiteChanged` lets the doors follow in the same transaction. */
export async function changeSite(
  deps: Pick<IdentityDeps, 'store' | 'onSiteChanged'>,
  asker: Principal,
  asked: {
    readonly version: number;
    readonly name?: string | undefined;
    readonly timeZone?: string | undefined;
  },
): Promise<Result<Site, SitePatchRefusal>> {
  if (asked.timeZone !== undefined && !isTimeZone(asked.timeZone))
    return refuse(timeZoneUnknown('/body/timeZone'));
  return deps.store.transact('site.update', async (tx) => {
    const site = await findSite(tx);
    if (site === null) return refuse({ code: 'siteNotFound' });
    const changes = { name: asked.name ?? site.name, time_zone: asked.timeZone ?? site.timeZone };
    const written = await tx.write('site', site.id, changes, { expectedVersion: asked.version });
    if (!written.ok) return refuse({ code: 'staleVersion', current: site });
    const changed = rowToSite(written.value);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'site.update',
      target: { table: 'site', id: site.id },
      payload: { name: changed.name, timeZone: changed.timeZone },
    });
    await deps.onSiteChanged(tx, changed);
    return ok(changed);
  });
}

function hashCode(salt: string, code: string): string {
  return createHash('sha256').update(`${salt} ${code}`, 'utf8').digest('hex');
}
