import { ensureLocalBridge } from '#hub/domains/access/bridges/workflow.ts';
import { findDocument, findPolicyState, findSets } from '#hub/domains/access/policy/repository.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { claimSite, makeClaimCode, startIdentity } from '#hub/domains/identity/site/workflow.ts';
import { loadSite } from '#hub/domains/identity/workflow.ts';
import { findHighestNumber } from '#hub/domains/members/repository.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import { zoneOffsets } from '#hub/kernel/zone.ts';
import type { Logger } from '#hub/platform/log.ts';
import { hubRelease } from '#hub/store/migrating/migrations.ts';
import { type Biography, type DemoYear, inventBiography } from './biography.ts';
import { Chance } from './chance.ts';
import { type DemoHub, openDemoHub } from './demo-hub.ts';
import { DemoClock, type DemoStore, openDemoStore } from './demo-store.ts';
import { DemoJournal } from './journal.ts';
import { People } from './people.ts';
import { Roster } from './roster.ts';
import { createSpace, demoSiteName, demoTimeZone, doors, must, type Space } from './space.ts';
import { type PlannedStep, takeSteps } from './steps.ts';
import { playYear } from './year.ts';

export const demoUsername = 'demo';
const bridgeName = 'This box';
/** The oldest members joined so long before the year that is shown. */
const beforeMs = 920 * dayMs;
/** Steps per transaction in the years before the demo's own. */
const stepsTogether = 200;

export interface DemoOptions {
  readonly stateDir: string;
  readonly seed: number;
  readonly size: { readonly members: number; readonly events: number };
  /** The moment at which the demo's year ends, UTC ms. */
  readonly endMs: number;
  readonly password: string;
  readonly log: Logger;
  /** Called once the store was found empty, before anything is written to it. */
  readonly onBegin?: () => Promise<void>;
  /** How much of the whole is done, 0..1. */
  readonly onProgress?: (share: number) => void;
}

async function claim({ identity }: DemoHub, password: string): Promise<void> {
  await startIdentity(identity);
  const { code } = must(await makeClaimCode(identity, null));
  const asked = {
    code,
    siteName: demoSiteName,
    timeZone: demoTimeZone,
    displayName: 'Demo owner',
    username: demoUsername,
    password,
    starterRules: false,
  };
  must(await claimSite(identity, asked, { kind: 'browser', remoteAddress: 'console', device: 'Demo' }));
}

/** The bridge on this box says hello with the doors of `config/demo-bridge.yaml`, as it will again when it starts. */
async function meetBridge({ access, clock }: DemoHub, journal: DemoJournal): Promise<string> {
  await access.start();
  const made = await ensureLocalBridge(access.deps, bridgeName);
  assert(made !== null, 'the bridge of this box was made');
  await access.handler.onMessage.hello(made.bridgeId, {
    protocol: 1,
    bootId: journal.bootId,
    journalId: journal.journalId,
    release: hubRelease,
    policy: null,
    journal: { firstSeq: 1, lastSeq: 0, ackedSeq: 0 },
    portals: doors.map(({ key, name }) => ({ key, name, readers: [`${key}-reader`] })),
    simulated: true,
    wallMs: clock.nowMs(),
    clockTrust: 'ntp',
  });
  return made.bridgeId;
}

function planSteps(biographies: readonly Biography[]): PlannedStep[] {
  return biographies
    .flatMap((biography) => biography.steps.map((step) => ({ biography, step })))
    .sort((left, right) => left.step.atMs - right.step.atMs);
}

async function assertEmpty(store: DemoStore): Promise<void> {
  if ((await loadSite(store.read)) === null && (await findHighestNumber(store.read)) === null) return;
  throw new Fault(
    'demoNotEmpty',
    'there is a hub with data of its own here: the demo is never mixed into it',
  );
}

/**
 * Fills an empty store with a makerspace of its own: all by the workflows that the API uses, in the order of time, and a
 * year of taps decided by `decideAccess` from the state that held then. The same seed gives the same space.
 * Throws the Fault `demoNotEmpty`, and those of the store.
 */
export async function fillDemo(options: DemoOptions): Promise<{ readonly events: number }> {
  const { seed, size, endMs, log, onProgress = () => undefined } = options;
  const year: DemoYear = { startMs: endMs - 365 * dayMs, endMs };
  const clock = new DemoClock(year.startMs - beforeMs);
  const store = await openDemoStore(options.stateDir, clock, log);
  try {
    await assertEmpty(store);
    await options.onBegin?.();
    let roster: Roster | undefined;
    const hub = await openDemoHub({
      stateDir: options.stateDir,
      store,
      clock,
      log,
      onAdmissionChanged: (memberIds) => roster?.noteChanged(memberIds),
    });
    await claim(hub, options.password);
    const journal = new DemoJournal(new Chance(seed + 1), year.startMs);
    const bridgeId = await meetBridge(hub, journal);
    const actor: Actor = { kind: 'system' };
    const years = [new Date(year.startMs).getUTCFullYear(), new Date(endMs).getUTCFullYear()];
    const space: Space = await createSpace(hub, actor, bridgeId, [...new Set(years)]);
    const [set] = await findSets(store.read, bridgeId);
    assert(set !== undefined, 'the bridge has a digest key');
    roster = new Roster({ ...hub, actor, space, digestKey: set.key });
    const people = new People(new Chance(seed + 2), new Date(endMs).getUTCFullYear());
    const chance = new Chance(seed + 3);
    const biographies = Array.from({ length: size.members }, () =>
      inventBiography(chance, people.next(), year),
    );
    const steps = planSteps(biographies);
    const before = steps.filter(({ step }) => step.atMs < year.startMs);
    for (let start = 0; start < before.length; start += stepsTogether) {
      await takeSteps(hub, roster, before.slice(start, start + stepsTogether));
      onProgress((start / before.length) * 0.2);
    }
    await playYear({
      hub,
      roster,
      space,
      actor,
      journal,
      year,
      steps: steps.slice(before.length),
      chance: new Chance(seed + 4),
      events: size.events,
      zone: zoneOffsets(demoTimeZone, year.startMs - dayMs, endMs + dayMs),
      policyNow: async (tx) => {
        const stored = await findDocument(tx, bridgeId);
        assert(stored !== null, 'the bridge has a policy');
        const { epoch, revision } = await findPolicyState(tx);
        return { document: stored.document, version: { epoch, revision } };
      },
      onProgress: (share) => onProgress(0.2 + share * 0.8),
    });
    return { events: journal.lastSeq };
  } finally {
    await store.close();
  }
}
