import { accessTables } from './domains/access/repository.ts';
import { deviceTables } from './domains/devices/repository.ts';
import { identityTables } from './domains/identity/repository.ts';
import { memberTables } from './domains/members/repository.ts';
import { notificationTables } from './domains/notifications/repository.ts';
import { keyedRequestTables } from './http/keyed-request-repository.ts';
import { mqttTables } from './mqtt/session-repository.ts';
import { syncTables } from './sync/repository.ts';

/** Every table of the hub: what each part registers, for whoever opens the store. */
export const hubTables = {
  ...identityTables,
  ...memberTables,
  ...accessTables,
  ...notificationTables,
  ...keyedRequestTables,
  ...deviceTables,
  ...mqttTables,
  ...syncTables,
};
