import type { Area, Holiday, OpeningHours, Portal, Rule } from '#hub/domains/access/place-schema.ts';
import type { Group, Plan } from '#hub/domains/members/plan-schema.ts';
import { api } from '../../../live/api.ts';
import { Latest } from '../../../live/latest.ts';
import type { LiveMessage } from '../../../live/message.ts';
import { session } from '../../../state/session.svelte.ts';
import { toDateField } from '../../../state/time-format.svelte.ts';
import { attempt, toasts } from '../../../state/toasts.svelte.ts';

interface Items<T> {
  items: T[];
}
const none = <T>(): Items<T> => ({ items: [] });

const reloadingTopics = new Set<string>([
  'reset',
  'rule.changed',
  'hours.changed',
  'holiday.changed',
  'portal.changed',
  'area.changed',
  'plan.changed',
  'group.changed',
] satisfies LiveMessage['topic'][]);

/** Who may open what and when, with the names that it takes to say so. */
export class RuleBook {
  rules = $state.raw<readonly Rule[]>([]);
  hours = $state.raw<readonly OpeningHours[]>([]);
  holidays = $state.raw<readonly Holiday[]>([]);
  areas = $state.raw<readonly Area[]>([]);
  portals = $state.raw<readonly Portal[]>([]);
  plans = $state.raw<readonly Plan[]>([]);
  groups = $state.raw<readonly Group[]>([]);
  memberNames = $state.raw<Readonly<Record<string, string>>>({});
  loaded = $state(false);
  readonly #latest = new Latest();

  async load(): Promise<void> {
    await attempt(() =>
      this.#latest.load(
        () => this.#fetch(),
        ([rules, hours, holidays, areas, portals, plans, groups, memberNames]) => {
          this.rules = rules.items;
          this.hours = hours.items;
          this.holidays = holidays.items.toSorted((left, right) => left.date.localeCompare(right.date));
          this.areas = areas.items;
          this.portals = portals.items;
          this.plans = plans.items;
          this.groups = groups.items;
          this.memberNames = memberNames;
          this.loaded = true;
        },
      ),
    );
  }

  async #fetch() {
    const rules = api('get', '/api/access-control/rules');
    return await Promise.all([
      rules,
      api('get', '/api/access-control/opening-hours'),
      api('get', '/api/access-control/holidays', {
        params: { query: { from: toDateField(Date.now() - 86_400_000) } },
      }),
      session.can('portal.read') ? api('get', '/api/access-control/areas') : none<Area>(),
      session.can('portal.read') ? api('get', '/api/access-control/portals') : none<Portal>(),
      session.can('plan.read')
        ? api('get', '/api/members/plans', { params: { query: { limit: 200 } } })
        : none<Plan>(),
      session.can('member.read')
        ? api('get', '/api/members/groups', { params: { query: { limit: 200 } } })
        : none<Group>(),
      rules.then(({ items }) => this.#loadMemberNames(items)),
    ]);
  }

  async #loadMemberNames(rules: readonly Rule[]): Promise<Record<string, string>> {
    const names: Record<string, string> = {};
    if (!session.can('member.read')) return names;
    const ids = new Set(rules.flatMap(({ subject }) => (subject.kind === 'member' ? [subject.id] : [])));
    for (const id of [...ids].slice(0, 100))
      names[id] =
        this.memberNames[id] ??
        (await api('get', '/api/members/{id}', { params: { path: { id } } }).then(
          ({ name }) => name,
          () => 'removed member',
        ));
    return names;
  }

  take(messages: readonly LiveMessage[]): void {
    if (messages.some(({ topic }) => reloadingTopics.has(topic))) void this.load();
  }

  areaName = (id: string): string => this.areas.find((area) => area.id === id)?.name ?? 'removed area';

  subjectOf({ subject }: Rule): string {
    if (subject.kind === 'everyone') return 'Everybody with a valid membership';
    if (subject.kind === 'plan')
      return `Plan ${this.plans.find(({ id }) => id === subject.id)?.name ?? 'that was removed'}`;
    if (subject.kind === 'group')
      return `Group ${this.groups.find(({ id }) => id === subject.id)?.name ?? 'that was removed'}`;
    return this.memberNames[subject.id] ?? 'One member';
  }
  targetOf({ target }: Rule): string {
    if (target.kind === 'site') return 'every door';
    if (target.kind === 'area') return `the doors of ${this.areaName(target.id)}`;
    return this.portals.find(({ id }) => id === target.id)?.name ?? 'a removed door';
  }

  async removeRule(rule: Rule): Promise<void> {
    await attempt(async () => {
      await api('delete', '/api/access-control/rules/{id}', { params: { path: { id: rule.id } } });
      const { id: _id, version: _version, createdAt: _createdAt, updatedAt: _updatedAt, ...fields } = rule;
      toasts.done(
        `The rule "${rule.name}" is removed.`,
        () => void this.#undo(() => api('post', '/api/access-control/rules', { body: fields })),
      );
      await this.load();
    });
  }
  async removeHours(hours: OpeningHours): Promise<void> {
    await attempt(async () => {
      await api('delete', '/api/access-control/opening-hours/{id}', { params: { path: { id: hours.id } } });
      const { areaId, windows } = hours;
      toasts.done(
        'The opening hours are removed.',
        () =>
          void this.#undo(() =>
            api('put', '/api/access-control/opening-hours', { body: { areaId, windows } }),
          ),
      );
      await this.load();
    });
  }
  async removeHoliday(holiday: Holiday): Promise<void> {
    await attempt(async () => {
      await api('delete', '/api/access-control/holidays/{id}', { params: { path: { id: holiday.id } } });
      const { date, name, areaId, windows } = holiday;
      toasts.done(
        `${holiday.name} is removed.`,
        () =>
          void this.#undo(() =>
            api('post', '/api/access-control/holidays', { body: { date, name, areaId, windows } }),
          ),
      );
      await this.load();
    });
  }
  async removeArea(area: Area): Promise<void> {
    await attempt(async () => {
      await api('delete', '/api/access-control/areas/{id}', { params: { path: { id: area.id } } });
      const { name, parentId } = area;
      toasts.done(
        `The area ${name} is removed.`,
        () => void this.#undo(() => api('post', '/api/access-control/areas', { body: { name, parentId } })),
      );
      await this.load();
    });
  }

  #undo(work: () => Promise<unknown>): Promise<boolean> {
    return attempt(async () => {
      await work();
      await this.load();
    });
  }
}
