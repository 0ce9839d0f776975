import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { alarmEndpoints } from './alarms/routes.ts';
import { bridgeEndpoints } from './bridges/routes.ts';
import { credentialEndpoints } from './cards/routes.ts';
import { doorEndpoints } from './doors/command-routes.ts';
import { placeEndpoints } from './doors/routes.ts';
import { eventEndpoints } from './events/routes.ts';
import type { Access } from './open-access.ts';
import { pinEndpoints } from './pins/routes.ts';
import { readerEndpoints } from './readers/routes.ts';
import { recoveryEndpoints } from './vault/recovery-routes.ts';

/** Everything under /api/access-control that is about doors. */
export const accessEndpoints = ({ parts, enrolments }: Access): readonly Endpoint[] => [
  ...placeEndpoints(parts),
  ...credentialEndpoints(parts, enrolments),
  ...pinEndpoints(parts),
  ...doorEndpoints(parts),
  ...readerEndpoints(parts),
  ...eventEndpoints(parts),
  ...alarmEndpoints(parts),
  ...bridgeEndpoints(parts),
  ...recoveryEndpoints(parts),
];
