import type { Endpoint } from '#hub/http/endpoint.ts';
import { alarmEndpoints } from './alarm-routes.ts';
import { bridgeEndpoints } from './bridge-routes.ts';
import { credentialEndpoints } from './credential-routes.ts';
import { doorEndpoints } from './door-routes.ts';
import { eventEndpoints } from './event-routes.ts';
import { pinEndpoints } from './pin-routes.ts';
import { placeEndpoints } from './place-routes.ts';
import { readerEndpoints } from './reader-routes.ts';
import { recoveryEndpoints } from './recovery-routes.ts';
import type { Access } from './workflow.ts';

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
