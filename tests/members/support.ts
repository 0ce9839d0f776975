import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { admissionChanged, members } from '#hub/domains/members/domain.ts';
import { memberCreateSchema, membershipCreateSchema } from '#hub/domains/members/member/schema.ts';
import { createMember } from '#hub/domains/members/member/workflow.ts';
import { createMembership } from '#hub/domains/members/memberships/workflow.ts';
import { planCreateSchema } from '#hub/domains/members/plans/schema.ts';
import { createPlan } from '#hub/domains/members/plans/workflow.ts';
import type { MemberDeps } from '#hub/domains/members/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { createLog } from '#hub/platform/log.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { StoreLocation } from '#hub/store/sqlite/open.ts';
import type { Store } from '#hub/store/store.ts';
import type { Announced } from '#tests/_support/announcements.ts';
import { hearing, listener, openTestDomains } from '#tests/_support/open-domains.ts';
export const dayMs = 86_400_000;
export const startMs = Date.parse('2026-11-22T12:00:00Z');
export const staff: Actor = { kind: 'account', id: '01890000-0000-7000-8000-000000000001', name: 'Grace' };

export class TestClock implements Clock {
  ms = startMs;
  trusted: ClockTrust = 'ntp';
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  trust(): ClockTrust {
    return this.trusted;
  }
}

export interface MembersBench {
  /** Where the store lies, for a connection of one's own. */
  readonly location: StoreLocation;
  readonly store: Store;
  readonly clock: TestClock;
  readonly deps: MemberDeps & { readonly clock: TestClock };
  readonly announced: Announced[];
  /** The member ids of every call of `onAdmissionChanged`. */
  readonly admissionChanges: (readonly string[])[];
}

const log = createLog({ level: 'silent' });

/** A real encrypted store in a folder of its own, closed and removed when the test ends. */
export async function openBench(): Promise<MembersBench> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-members-'));
  const clock = new TestClock();
  const location = { path: path.join(folder, 'hub.sqlite'), key: randomBytes(32), keyPlace: 'a test' };
  const store = await openStore({
    ...location,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock,
    log,
  });
  onTestFinished(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const admissionChanges: (readonly string[])[] = [];
  const { running, announced } = await openTestDomains({
    store,
    clock,
    more: [listener(hearing(admissionChanged, (_tx, memberIds) => admissionChanges.push(memberIds)))],
  });
  const deps = { ...running.of(members).deps, clock };
  return { location, store, clock, deps, announced, admissionChanges };
}

/** The value of a result that must not be refused. */
export function accepted<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  return result.value;
}
/** The refusal of a result that must be one. */
export function refused(result: Result<unknown, Refusal>): Refusal {
  if (result.ok) throw new Error(`not refused: ${JSON.stringify(result.value)}`);
  return result.refusal;
}

export const addMember = async ({ deps }: MembersBench, input: Record<string, unknown> = {}) =>
  accepted(await createMember(deps, staff, memberCreateSchema.parse({ name: 'Ada Lovelace', ...input })));

export const addPlan = async ({ deps }: MembersBench, input: Record<string, unknown> = {}) =>
  accepted(
    await createPlan(
      deps,
      staff,
      planCreateSchema.parse({
        name: 'Standard',
        priceMinor: 2500,
        currency: 'EUR',
        interval: 'month',
        ...input,
      }),
    ),
  );

export const isoAt = (ms: number): string => new Date(ms).toISOString();

export const addMembership = async (
  { deps }: MembersBench,
  memberId: string,
  planId: string,
  input: Record<string, unknown> = {},
) =>
  accepted(await createMembership(deps, staff, memberId, membershipCreateSchema.parse({ planId, ...input })));
