import type { Bridge } from '#hub/domains/access/bridges/schema.ts';
import type { Portal } from '#hub/domains/access/doors/schema.ts';
import type { Area } from '#hub/domains/places/schema.ts';
import { api } from '../../../live/api.ts';
import type { LiveMessage } from '../../../live/message.ts';
import { keepLoaded } from '../../../state/loaded.svelte.ts';
import { session } from '../../../state/session.svelte.ts';
import { attempt, toasts } from '../../../state/toasts.svelte.ts';

interface Found {
  readonly portals: readonly Portal[];
  readonly bridges: readonly Bridge[];
  readonly areas: readonly Area[];
}

async function fetchDoors(): Promise<Found> {
  const [portals, bridges, areas] = await Promise.all([
    api('get', '/api/access-control/portals'),
    session.can('bridge.read') ? api('get', '/api/access-control/bridges') : { items: [] },
    api('get', '/api/access-control/areas'),
  ]);
  return { portals: portals.items, bridges: bridges.items, areas: areas.items };
}

/** Doors, controllers and areas, kept up to date. Create it during component initialization. */
export class Doors {
  readonly #found = keepLoaded<Found>({ portals: [], bridges: [], areas: [] }, fetchDoors, {
    on: [
      'portal.changed',
      'area.changed',
      'hours.changed',
      'holiday.changed',
      'bridge.changed',
      'rule.changed',
      'credential.changed',
    ],
    apply: (messages) => this.#applyStates(messages),
  });
  readonly load = this.#found.load;

  get portals(): readonly Portal[] {
    return this.#found.value.portals;
  }
  get bridges(): readonly Bridge[] {
    return this.#found.value.bridges;
  }
  get areas(): readonly Area[] {
    return this.#found.value.areas;
  }
  get loaded(): boolean {
    return this.#found.loaded;
  }

  #applyStates(messages: readonly LiveMessage[]): void {
    for (const { topic, data } of messages) {
      if (topic !== 'portal.state') continue;
      const { portalId, connected, live } = data;
      this.#setPortals(
        this.portals.map((portal) => (portal.id === portalId ? { ...portal, connected, live } : portal)),
      );
    }
  }

  #setPortals(portals: readonly Portal[]): void {
    this.#found.value = { ...this.#found.value, portals };
  }

  put(changed: readonly Portal[]): void {
    this.#setPortals(this.portals.map((portal) => changed.find(({ id }) => id === portal.id) ?? portal));
  }

  bridgeOf(portal: Portal): Bridge | undefined {
    return this.bridges.find(({ id }) => id === portal.bridgeId);
  }

  async holdOpen(id: string, until: string, reason: string): Promise<void> {
    const path = { id };
    const body = { until, reason };
    this.put(
      (await api('post', '/api/access-control/portals/{id}/hold-open', { params: { path }, body })).portals,
    );
  }
  async #lockDown(id: string, reason: string): Promise<void> {
    const path = { id };
    const body = { reason };
    this.put(
      (await api('post', '/api/access-control/portals/{id}/lockdown', { params: { path }, body })).portals,
    );
  }
  async #end(id: string, what: 'hold-open' | 'lockdown'): Promise<void> {
    const path = { id };
    this.put(
      (await api('post', `/api/access-control/portals/{id}/end-${what}`, { params: { path } })).portals,
    );
  }

  endHoldOpen(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#end(portal.id, 'hold-open');
      toasts.done(`${portal.name} is not held open any more.`, () => void this.#restore(portal), portal.id);
    });
  }

  /** Locks without confirmation, for emergencies. */
  lockDown(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#lockDown(portal.id, 'Locked down on the Doors page');
      toasts.done(`${portal.name} is locked down.`, () => void this.#endAndRestore([portal]), portal.id);
    });
  }

  endLockdown(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#end(portal.id, 'lockdown');
      toasts.done(`The lockdown of ${portal.name} has ended.`, () => void this.lockDown(portal), portal.id);
    });
  }

  lockDownSite(): Promise<boolean> {
    const before = this.portals.filter(({ override }) => override?.kind !== 'lockdown');
    return attempt(async () => {
      const body = { reason: 'Site locked down on the Doors page' };
      this.put((await api('post', '/api/access-control/lockdown', { body })).portals);
      toasts.done('Every door is locked down.', () => void this.#endAndRestore(before), 'site');
    });
  }

  endSiteLockdown(): Promise<boolean> {
    return attempt(async () => {
      this.put((await api('post', '/api/access-control/end-lockdown')).portals);
      toasts.done('The lockdown of every door has ended.', () => void this.lockDownSite(), 'site');
    });
  }

  #endAndRestore(portals: readonly Portal[]): Promise<boolean> {
    return attempt(async () => {
      for (const portal of portals) {
        await this.#end(portal.id, 'lockdown');
        await this.#restore(portal);
      }
    });
  }

  /** Restores a hold-open that was in effect before. */
  async #restore({ id, override }: Portal): Promise<void> {
    if (override?.kind === 'holdOpen' && override.untilMs > Date.now())
      await attempt(() => this.holdOpen(id, new Date(override.untilMs).toISOString(), override.reason));
  }
}
