import { type Access, createAccess } from '#hub/domains/access/workflow.ts';
import { loadSite } from '#hub/domains/identity/workflow.ts';
import { findMemberNames } from '#hub/domains/members/repository.ts';
import { loadAdmissionFacts, type MemberDeps, subjectExists } from '#hub/domains/members/workflow.ts';
import type { Logger } from '#hub/platform/log.ts';
import { createIds } from '#hub/platform/new-id.ts';
import type { DemoClock, DemoStore } from './demo-store.ts';

/** The domains of the hub over the demo's store: nobody listens, and no bridge is connected. */
export interface DemoHub {
  readonly store: DemoStore;
  readonly clock: DemoClock;
  readonly access: Access;
  readonly members: MemberDeps;
}

export function composeDemo(
  store: DemoStore,
  cardKey: Uint8Array,
  clock: DemoClock,
  log: Logger,
  onChanged: (ids: readonly string[]) => void,
): DemoHub {
  const newId = createIds(() => clock.nowMs());
  const announceIn = async (): Promise<void> => undefined;
  const access = createAccess({
    store,
    clock,
    newId,
    cardKey,
    log,
    announce: () => undefined,
    announceIn,
    webhooks: { wants: () => false, enqueue: async () => undefined },
    link: { isConnected: () => false, send: () => false, disconnect: () => undefined },
    after: () => () => undefined,
    loadSite,
    loadAdmissionFacts,
    loadMemberNames: findMemberNames,
    subjectExists,
  });
  const members: MemberDeps = {
    store,
    clock,
    newId,
    announceIn,
    onAdmissionChanged: async (tx, memberIds) => {
      onChanged(memberIds);
      await access.onAdmissionChanged(tx, memberIds);
    },
  };
  return { store, clock, access, members };
}
