import type { Selectable } from 'kysely';
import type { StateColumns } from '#hub/store/database.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import type { AuditEntryTable, AuditPayloadTable } from './audit/repository.ts';
import type { AttemptCounter, SessionKind } from './rules.ts';
import type { AccountStatus } from './schema.ts';
import type { ServiceAccountStatus } from './tokens/schema.ts';

export interface SiteTable extends StateColumns {
  name: string;
  time_zone: string;
  claimed_at_ms: number;
}
interface ClaimCodeTable {
  id: 'claim';
  salt: string;
  code_hash: string;
  expires_at_ms: number;
  tries: number;
}
export interface AccountTable extends StateColumns {
  username: string;
  display_name: string;
  status: AccountStatus;
  member_id: string | null;
}
interface AccountPasswordTable {
  account_id: string;
  phc: string;
  changed_at_ms: number;
}
export interface SessionTable {
  id: string;
  account_id: string;
  token_hash: string;
  created_at_ms: number;
  last_used_at_ms: number;
  expires_at_ms: number;
  remote_address: string;
  kind: SessionKind;
  device: string;
  refresh_hash: string | null;
  refresh_hash_before: string | null;
  refreshed_at_ms: number | null;
}
export interface ServiceAccountTable extends StateColumns {
  name: string;
  purpose: string;
  owner_id: string;
  /** JSON list of permissions. */
  scopes: string;
  status: ServiceAccountStatus;
}
export interface AccessTokenTable {
  id: string;
  service_account_id: string;
  name: string;
  token_hash: string;
  ending: string;
  /** JSON list of permissions; null: all of the service account. */
  scopes: string | null;
  created_at_ms: number;
  expires_at_ms: number | null;
  last_used_at_ms: number | null;
  last_used_address: string | null;
  /** Null: the command line. */
  made_by: string | null;
}
export interface RoleTable extends StateColumns {
  name: string;
  description: string;
  built_in: 0 | 1;
  /** JSON list of permissions. */
  permissions: string;
}
interface RoleAssignmentTable extends StateColumns {
  account_id: string;
  role_id: string;
  expires_at_ms: number | null;
}
interface AttemptCounterTable {
  id: string;
  failures: number;
  last_at_ms: number;
  locked_until_ms: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    site: SiteTable;
    claim_code: ClaimCodeTable;
    account: AccountTable;
    account_password: AccountPasswordTable;
    session: SessionTable;
    service_account: ServiceAccountTable;
    access_token: AccessTokenTable;
    role: RoleTable;
    role_assignment: RoleAssignmentTable;
    attempt_counter: AttemptCounterTable;
    audit_entry: AuditEntryTable;
    audit_payload: AuditPayloadTable;
  }
}

/** Hashes of passwords and tokens, sessions and attempt counters never leave this hub. */
export const identityTables = {
  site: { called: 'Site', label: { column: 'name' }, class: 'state', owner: 'hub', personalColumns: [] },
  claim_code: { class: 'local', owner: 'hub', personalColumns: [] },
  account: {
    called: 'Account',
    label: { column: 'display_name' },
    managedBy: 'account.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: ['username', 'display_name'],
  },
  account_password: { class: 'local', owner: 'hub', personalColumns: ['phc'] },
  session: { class: 'local', owner: 'hub', personalColumns: ['remote_address', 'device'] },
  service_account: {
    called: 'Service account',
    label: { column: 'name' },
    managedBy: 'serviceAccount.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  access_token: { class: 'local', owner: 'hub', personalColumns: ['last_used_address'] },
  role: {
    called: 'Role',
    label: { column: 'name' },
    managedBy: 'role.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  role_assignment: {
    called: 'Role of an account',
    managedBy: 'role.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  attempt_counter: { class: 'local', owner: 'hub', personalColumns: [] },
  audit_entry: { called: 'Entry of the audit log', class: 'append', owner: 'hub', personalColumns: [] },
  audit_payload: {
    called: 'Personal part of an audit entry',
    class: 'state',
    owner: 'hub',
    personalColumns: ['salt', 'actor_name', 'body'],
    partOf: 'audit_entry',
  },
} satisfies Registrations;

// Site

export interface Site {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly name: string;
  readonly timeZone: string;
  readonly claimedAtMs: number;
}

export const rowToSite = (row: Selectable<SiteTable>): Site => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  name: row.name,
  timeZone: row.time_zone,
  claimedAtMs: row.claimed_at_ms,
});

export async function findSite(reader: Reader): Promise<Site | null> {
  const row = await reader.selectFrom('site').selectAll().limit(1).executeTakeFirst();
  return row === undefined ? null : rowToSite(row);
}

// Claim code

export interface StoredClaimCode {
  readonly salt: string;
  readonly codeHash: string;
  readonly expiresAtMs: number;
  readonly tries: number;
}

export async function findClaimCode(reader: Reader): Promise<StoredClaimCode | null> {
  const row = await reader.selectFrom('claim_code').selectAll().executeTakeFirst();
  if (row === undefined) return null;
  return { salt: row.salt, codeHash: row.code_hash, expiresAtMs: row.expires_at_ms, tries: row.tries };
}

/** Replaces the claim code; null removes it. */
export async function replaceClaimCode(tx: Transaction, code: StoredClaimCode | null): Promise<void> {
  await tx.local.deleteFrom('claim_code').execute();
  if (code === null) return;
  await tx.local
    .insertInto('claim_code')
    .values({
      id: 'claim',
      salt: code.salt,
      code_hash: code.codeHash,
      expires_at_ms: code.expiresAtMs,
      tries: code.tries,
    })
    .execute();
}

export async function countClaimTry(tx: Transaction, tries: number): Promise<void> {
  await tx.local.updateTable('claim_code').set({ tries }).execute();
}

// Wrong tries

/** Bounds the table against an attacker. */
const maxCounters = 10_000;

const rowToCounter = (row: Selectable<AttemptCounterTable>): AttemptCounter => ({
  failures: row.failures,
  lastAtMs: row.last_at_ms,
  lockedUntilMs: row.locked_until_ms,
});

export async function findCounter(reader: Reader, id: string): Promise<AttemptCounter | null> {
  const row = await reader.selectFrom('attempt_counter').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToCounter(row);
}

/** The counters whose id begins so. */
export async function findCounters(
  reader: Reader,
  prefix: string,
): Promise<{ readonly id: string; readonly counter: AttemptCounter }[]> {
  const rows = await reader
    .selectFrom('attempt_counter')
    .selectAll()
    .where('id', '>=', prefix)
    .where('id', '<', `${prefix}\u{10ffff}`)
    .execute();
  return rows.map((row) => ({ id: row.id, counter: rowToCounter(row) }));
}

export async function saveCounter(tx: Transaction, id: string, counter: AttemptCounter): Promise<void> {
  const values = {
    failures: counter.failures,
    last_at_ms: counter.lastAtMs,
    locked_until_ms: counter.lockedUntilMs,
  };
  await tx.local
    .insertInto('attempt_counter')
    .values({ id, ...values })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute();
}

export async function deleteCounter(tx: Transaction, id: string): Promise<void> {
  await tx.local.deleteFrom('attempt_counter').where('id', '=', id).execute();
}

/** Removes expired counters, and the oldest beyond the bound. */
export async function pruneCounters(tx: Transaction, beforeMs: number): Promise<void> {
  await tx.local.deleteFrom('attempt_counter').where('last_at_ms', '<', beforeMs).execute();
  const oldest = await tx
    .selectFrom('attempt_counter')
    .select('last_at_ms')
    .orderBy('last_at_ms', 'desc')
    .offset(maxCounters)
    .limit(1)
    .executeTakeFirst();
  if (oldest !== undefined)
    await tx.local.deleteFrom('attempt_counter').where('last_at_ms', '<=', oldest.last_at_ms).execute();
}
