import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import { access as accessDomain } from '#hub/domains/access/domain.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { memberCreateSchema } from '#hub/domains/members/member/schema.ts';
import { insertMembership } from '#hub/domains/members/memberships/repository.ts';
import { insertMember } from '#hub/domains/members/repository.ts';
import { followMemberChange } from '#hub/domains/members/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import { createSystemClock } from '#hub/platform/clock/system-clock.ts';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import { readKey, readOrMakeKey } from '#hub/platform/files/keys.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { openStore } from '#hub/store/open-store.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { openTestDomains } from '#tests/_support/open-domains.ts';

/** A door of the bench's bridge: a strike, a contact and one reader, four of the 64 simulated lines. */
export interface BenchDoor {
  readonly key: string;
  readonly d0: number;
  readonly d1: number;
  readonly strike: number;
  readonly contact: number;
  readonly fixedBits: number | null;
}

/** Sixteen doors, as many as the simulated lines allow. The first `silent` ones end a frame by silence alone. */
export const benchDoors = (silent = 0): BenchDoor[] =>
  Array.from({ length: 16 }, (_, index) => ({
    key: `door-${index}`,
    d0: index * 4,
    d1: index * 4 + 1,
    strike: index * 4 + 2,
    contact: index * 4 + 3,
    fixedBits: index < silent ? null : 26,
  }));

/** Writes the bridge's configuration (JSON is YAML) and gives its path. */
function writeBridgeConfig(
  directory: string,
  doors: readonly BenchDoor[],
  morePortals: readonly object[],
): string {
  const file = path.join(directory, 'bench-bridge.yaml');
  const config = {
    gpio: { port: 'fake' },
    log: { level: 'info' },
    portals: [
      ...doors.map(({ key, d0, d1, strike, contact, fixedBits }) => ({
        key,
        name: `Door ${key}`,
        readers: [{ key: `${key}-reader`, wiring: { kind: 'wiegand', d0, d1, fixedBits } }],
        strike: { line: strike, failMode: 'secure' },
        contact: { line: contact, debounceMs: 0 },
      })),
      ...morePortals,
    ],
  };
  writeFileSync(file, JSON.stringify(config, null, 2));
  return file;
}

/** The 26-bit card with this running number. */
export function benchCard(number: number): CardRead {
  const read = parseCardText(`${Math.floor(number / 60_000)}:${number % 60_000}`);
  if (!read.ok) throw new Error(read.refusal.message);
  return read.value;
}

/**
 * A claimed hub that knows the doors of the bridge, with members and cards in its store, and the bridge with its policy.
 * Doors relock as soon as they are opened, so that the next tap meets a locked door.
 */
export async function openBenchSite(
  doors: readonly BenchDoor[],
  wanted: { readonly members: number; readonly cardsEach: number },
  env: Readonly<Record<string, string>> = {},
  /** As they stand in the bridge's configuration. */
  morePortals: readonly object[] = [],
): Promise<{ readonly appliance: Appliance; readonly password: string }> {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
  const appliance = await Appliance.create({
    stateDir,
    env,
    bridgeConfig: writeBridgeConfig(stateDir, doors, morePortals),
  });
  try {
    await appliance.start('hub');
    await appliance.start('bridge');
    const { password } = await appliance.furnish();
    await settleDoors(appliance);
    await appliance.stop('bridge');
    await appliance.stop('hub');
    await addMembers(stateDir, wanted);
    return { appliance, password };
  } catch (error) {
    await appliance.close();
    throw error;
  }
}

async function settleDoors(appliance: Appliance): Promise<void> {
  const { items } = await appliance.ask('GET', '/api/access-control/portals');
  for (const portal of items as { id: string; version: number }[])
    await appliance.ask('PATCH', `/api/access-control/portals/${portal.id}`, {
      version: portal.version,
      settings: { relock: 'onOpen', accessTimeSeconds: 1 },
    });
  await appliance.untilApplied();
}

const membersPerTransaction = 200;

/**
 * Adds members with a running membership and their cards to the store of a hub that is stopped: with the product's own
 * rows, word index and policy records, many members in one transaction. Cards are `benchCard(0)` and onwards.
 */
async function addMembers(
  stateDir: string,
  wanted: { readonly members: number; readonly cardsEach: number },
): Promise<void> {
  const paths = hubPaths({ stateDir });
  const log = createLog({ level: 'silent' });
  const clock = createSystemClock({ markFile: paths.clock, trustSystem: true });
  const store = await openStore({
    path: paths.store,
    key: await readKey(path.join(paths.keys, 'store.key')),
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock,
    log,
  });
  try {
    const { running } = await openTestDomains({
      store,
      clock,
      secrets: { cards: await readOrMakeKey(path.join(paths.keys, 'cards.key')) },
    });
    const { access } = running.of(accessDomain);
    const plan = await store.read.selectFrom('plan').select('id').executeTakeFirstOrThrow();
    const deps = { announceIn: async () => undefined, onAdmissionChanged: access.onAdmissionChanged };
    for (let first = 0; first < wanted.members; first += membersPerTransaction)
      await store.transact('bench.members', async (tx) => {
        const memberIds: string[] = [];
        const credentialIds: string[] = [];
        for (let index = first; index < Math.min(first + membersPerTransaction, wanted.members); index += 1) {
          const memberId = newId();
          memberIds.push(memberId);
          const profile = memberCreateSchema.parse({
            name: `Member ${index}`,
            email: `m${index}@example.org`,
          });
          await insertMember(tx, { ...profile, id: memberId, number: 100_000 + index });
          await insertMembership(tx, {
            id: newId(),
            memberId,
            planId: plan.id,
            state: 'active',
            stateSinceMs: tx.nowMs,
            stateReason: null,
            fromMs: tx.nowMs,
            untilMs: null,
            renews: false,
            graceDays: 7,
            overdueDays: 30,
          });
          for (let card = 0; card < wanted.cardsEach; card += 1) {
            const credentialId = newId();
            credentialIds.push(credentialId);
            await tx.insert('credential', {
              id: credentialId,
              member_id: memberId,
              kind: 'card',
              label: `Card ${card + 1}`,
              status: 'active',
              assurance: 0,
              valid_from_ms: null,
              valid_until_ms: null,
              masked: '...',
            });
            const read = benchCard(index * wanted.cardsEach + card);
            await access.deps.vault.giveReadings(tx, credentialId, [{ ...read, seen: true }]);
          }
        }
        await followMemberChange(deps, tx, memberIds, { admission: false });
        await access.deps.keeper.refreshCredentials(tx, credentialIds);
      });
  } finally {
    await store.close();
    clock.close();
  }
}

/** A browser's session of the owner, by HTTP on the loopback address. */
export async function signIn(
  appliance: Appliance,
  password: string,
): Promise<{ readonly cookie: string; readonly csrfToken: string }> {
  const answer = await fetch(`${appliance.url}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: appliance.url },
    body: JSON.stringify({ username: 'olga', password }),
  });
  if (answer.status !== 201) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  const { csrfToken } = (await answer.json()) as { csrfToken: string };
  return { cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '', csrfToken };
}
