import type { Permission } from '#hub/domains/identity/schema.ts';

/** Something that people who look at a screen should see now. Sent to every live connection with the permission. */
export interface Announcement {
  /** What changed: `portal.state`, `access.event`, `member.changed`, ... */
  readonly topic: string;
  readonly permission: Permission;
  readonly data: Readonly<Record<string, unknown>>;
}
export type Announce = (announcement: Announcement) => void;
