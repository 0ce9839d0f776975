import type { Domain } from './domain.ts';
import { access } from './domains/access/domain.ts';
import { devices } from './domains/devices/domain.ts';
import { identity } from './domains/identity/domain.ts';
import { members } from './domains/members/domain.ts';
import { places } from './domains/places/domain.ts';
import { system } from './domains/system/domain.ts';
import { timeline } from './domains/timeline/domain.ts';
import { webhooks } from './domains/webhooks/domain.ts';
import { keyedRequestTables } from './http/idempotency/keyed-request-repository.ts';
import { mqttTables } from './mqtt/session-repository.ts';
import { tablesOf } from './open-domains.ts';
import type { Registrations } from './store/table-registry.ts';
import { sync } from './sync/domain.ts';

/** The one list of domains, those first that others stand on. */
export const domains: readonly Domain[] = [
  identity,
  members,
  places,
  access,
  timeline,
  devices,
  webhooks,
  system,
  sync,
];

/** Every table of the hub, for whoever opens the store: those of the domains and of what serves them. */
export const hubTables: Registrations = { ...keyedRequestTables, ...mqttTables, ...tablesOf(domains) };
