import type { Permission } from '../../../api/names.ts';
import { api } from '../../../live/api.ts';
import { session } from '../../../state/session.svelte.ts';

/** Descriptions of permissions for users who may read roles; others see the bare names. */
class PermissionTexts {
  texts = $state.raw<ReadonlyMap<string, string>>(new Map());

  async load(): Promise<void> {
    if (this.texts.size > 0 || !session.can('role.read')) return;
    const { items } = await api('get', '/api/access-control/permissions');
    this.texts = new Map(items.map(({ permission, description }) => [permission, description]));
  }

  textOf(permission: Permission): string {
    return this.texts.get(permission) ?? permission;
  }
}

export const permissionTexts = new PermissionTexts();
