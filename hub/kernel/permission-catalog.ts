import type { BuiltInRole, PermissionName, PermissionSpec } from './vocabulary.ts';

/** Permissions of an account. May hold names that this release does not know. */
export interface Permitted extends Iterable<string> {
  has(permission: PermissionName): boolean;
  readonly size: number;
}

/** Every permission of the hub, in the order of its domains. */
export class PermissionCatalog {
  readonly #specs: Readonly<Record<string, PermissionSpec>>;
  readonly names: readonly PermissionName[];

  constructor(specs: Readonly<Record<string, PermissionSpec>>) {
    this.#specs = specs;
    this.names = Object.keys(specs).filter((name) => this.has(name));
  }

  has(name: string): name is PermissionName {
    return Object.hasOwn(this.#specs, name);
  }

  /** Description of what it allows. */
  textOf(name: PermissionName): string {
    return this.#specs[name]?.text ?? name;
  }

  /** The known ones of these names, each once, in the order of the catalog. */
  pick(names: Iterable<string>): PermissionName[] {
    const wanted = new Set(names);
    return this.names.filter((name) => wanted.has(name));
  }

  /** The built-in roles: sets of permissions that cannot be edited. */
  builtInRoles(): Readonly<Record<string, readonly PermissionName[]>> {
    const ofRole = (role: BuiltInRole): readonly PermissionName[] =>
      this.names.filter((name) => this.#specs[name]?.roles?.includes(role));
    return {
      super_admin: this.names,
      makerspace_admin: this.names.filter((name) => this.#specs[name]?.ownerOnly !== true),
      staff: ofRole('staff'),
      instructor: ofRole('instructor'),
      member: ofRole('member'),
      service_provider: ofRole('service_provider'),
      guest: ofRole('guest'),
    };
  }
}
