import type { Bridge } from '#hub/domains/access/event-schema.ts';
import type { Area, Portal } from '#hub/domains/access/place-schema.ts';
import { call } from '../../live/api.ts';
import { Latest } from '../../live/latest.ts';
import type { LiveMessage } from '../../live/message.ts';
import { attempt, notices } from '../../shell/notices.svelte.ts';
import { session } from '../../shell/session.svelte.ts';

const base = '/api/access-control';
interface Items<T> {
  items: T[];
}

const reloadingTopics = new Set<string>([
  'reset',
  'portal.changed',
  'area.changed',
  'hours.changed',
  'holiday.changed',
  'bridge.changed',
  'rule.changed',
  'credential.changed',
] satisfies LiveMessage['topic'][]);

/** Doors, their controllers and areas as this page shows them, kept up to date by what the hub announces. */
export class Doors {
  portals = $state.raw<readonly Portal[]>([]);
  bridges = $state.raw<readonly Bridge[]>([]);
  areas = $state.raw<readonly Area[]>([]);
  loaded = $state(false);
  readonly #latest = new Latest();

  async load(): Promise<void> {
    const fetch = () =>
      Promise.all([
        call<Items<Portal>>('GET', `${base}/portals`),
        session.can('bridge.read') ? call<Items<Bridge>>('GET', `${base}/bridges`) : { items: [] },
        call<Items<Area>>('GET', `${base}/areas`),
      ]);
    await attempt(() =>
      this.#latest.load(fetch, ([portals, bridges, areas]) => {
        this.portals = portals.items;
        this.bridges = bridges.items;
        this.areas = areas.items;
        this.loaded = true;
      }),
    );
  }

  /** What a door does arrives whole; anything else that changed is loaded. */
  take(messages: readonly LiveMessage[]): void {
    if (messages.some(({ topic }) => reloadingTopics.has(topic))) {
      void this.load();
      return;
    }
    for (const { topic, data } of messages) {
      if (topic !== 'portal.state') continue;
      const { portalId, connected, live } = data;
      this.portals = this.portals.map((portal) =>
        portal.id === portalId ? { ...portal, connected, live } : portal,
      );
    }
  }

  put(changed: readonly Portal[]): void {
    this.portals = this.portals.map((portal) => changed.find(({ id }) => id === portal.id) ?? portal);
  }

  bridgeOf(portal: Portal): Bridge | undefined {
    return this.bridges.find(({ id }) => id === portal.bridgeId);
  }

  async #order(portalId: string, path: string, body?: unknown): Promise<void> {
    const { portals } = await call<{ portals: Portal[] }>(
      'POST',
      `${base}/portals/${portalId}/${path}`,
      body,
    );
    this.put(portals);
  }
  holdOpen = (portalId: string, until: string, reason: string): Promise<void> =>
    this.#order(portalId, 'hold-open', { until, reason });

  endHoldOpen(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#order(portal.id, 'end-hold-open');
      notices.done(`${portal.name} is not held open any more.`, () => void this.#restore(portal), portal.id);
    });
  }

  /** Locks at once: in an emergency nobody reads a question. */
  lockDown(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#order(portal.id, 'lockdown', { reason: 'Locked down on the Doors page' });
      notices.done(`${portal.name} is locked down.`, () => void this.#endAndRestore([portal]), portal.id);
    });
  }

  endLockdown(portal: Portal): Promise<boolean> {
    return attempt(async () => {
      await this.#order(portal.id, 'end-lockdown');
      notices.done(`The lockdown of ${portal.name} has ended.`, () => void this.lockDown(portal), portal.id);
    });
  }

  lockDownSite(): Promise<boolean> {
    const before = this.portals.filter(({ override }) => override?.kind !== 'lockdown');
    return attempt(async () => {
      const body = { reason: 'Site locked down on the Doors page' };
      this.put((await call<{ portals: Portal[] }>('POST', `${base}/lockdown`, body)).portals);
      notices.done('Every door is locked down.', () => void this.#endAndRestore(before), 'site');
    });
  }

  endSiteLockdown(): Promise<boolean> {
    return attempt(async () => {
      this.put((await call<{ portals: Portal[] }>('POST', `${base}/end-lockdown`)).portals);
      notices.done('The lockdown of every door has ended.', () => void this.lockDownSite(), 'site');
    });
  }

  #endAndRestore(portals: readonly Portal[]): Promise<boolean> {
    return attempt(async () => {
      for (const portal of portals) {
        await this.#order(portal.id, 'end-lockdown');
        await this.#restore(portal);
      }
    });
  }

  /** Holds a door open again that was held open before. */
  async #restore({ id, override }: Portal): Promise<void> {
    if (override?.kind === 'holdOpen' && override.untilMs > Date.now())
      await attempt(() => this.holdOpen(id, new Date(override.untilMs).toISOString(), override.reason));
  }
}
