import type { Portal } from '#hub/domains/access/doors/schema.ts';
import type { Rule } from '#hub/domains/access/rules/schema.ts';
import type { Group, Plan } from '#hub/domains/members/plans/schema.ts';
import { api } from '../../../live/api.ts';
import { keepLoaded } from '../../../state/loaded.svelte.ts';
import { session } from '../../../state/session.svelte.ts';
import { removeWithUndo } from '../../../state/toasts.svelte.ts';
import type { Places } from '../../places/places.svelte.ts';

interface Found {
  readonly rules: readonly Rule[];
  readonly portals: readonly Portal[];
  readonly plans: readonly Plan[];
  readonly groups: readonly Group[];
  readonly memberNames: Readonly<Record<string, string>>;
}
const nothing: Found = { rules: [], portals: [], plans: [], groups: [], memberNames: {} };

interface Items<T> {
  items: T[];
}
const none = <T>(): Items<T> => ({ items: [] });

/** Rules and the names needed to describe them, kept up to date. Create it during component initialization. */
export class RuleBook {
  readonly places: Places;
  readonly #found = keepLoaded(nothing, () => this.#fetch(), {
    on: ['rule.changed', 'portal.changed', 'area.changed', 'plan.changed', 'group.changed'],
  });
  readonly load = this.#found.load;

  constructor(places: Places) {
    this.places = places;
  }

  get rules(): readonly Rule[] {
    return this.#found.value.rules;
  }
  get portals(): readonly Portal[] {
    return this.#found.value.portals;
  }
  get plans(): readonly Plan[] {
    return this.#found.value.plans;
  }
  get groups(): readonly Group[] {
    return this.#found.value.groups;
  }
  get memberNames(): Readonly<Record<string, string>> {
    return this.#found.value.memberNames;
  }
  get loaded(): boolean {
    return this.#found.loaded;
  }

  async #fetch(): Promise<Found> {
    const query = { limit: 200 };
    const fetchingRules = api('get', '/api/access-control/rules');
    const [rules, portals, plans, groups, memberNames] = await Promise.all([
      fetchingRules,
      session.can('portal.read') ? api('get', '/api/access-control/portals') : none<Portal>(),
      session.can('plan.read') ? api('get', '/api/members/plans', { params: { query } }) : none<Plan>(),
      session.can('member.read') ? api('get', '/api/members/groups', { params: { query } }) : none<Group>(),
      fetchingRules.then(({ items }) => this.#fetchMemberNames(items)),
    ]);
    return {
      rules: rules.items,
      portals: portals.items,
      plans: plans.items,
      groups: groups.items,
      memberNames,
    };
  }

  /** Fetches unknown names only. */
  async #fetchMemberNames(rules: readonly Rule[]): Promise<Record<string, string>> {
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
    if (target.kind === 'area') return `the doors of ${this.places.areaName(target.id)}`;
    return this.portals.find(({ id }) => id === target.id)?.name ?? 'a removed door';
  }

  removeRule({ id, version: _version, createdAt: _createdAt, updatedAt: _updatedAt, ...fields }: Rule) {
    return removeWithUndo({
      done: `The rule "${fields.name}" is removed.`,
      remove: () => api('delete', '/api/access-control/rules/{id}', { params: { path: { id } } }),
      restore: () => api('post', '/api/access-control/rules', { body: fields }),
      load: this.load,
    });
  }
}
