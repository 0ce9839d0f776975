import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { alarmEndpoints } from './alarms/routes.ts';
import { bridgeEndpoints } from './bridges/routes.ts';
import { credentialEndpoints } from './cards/routes.ts';
import { cloneEndpoint } from './clones/routes.ts';
import { doorEndpoints } from './doors/command-routes.ts';
import { portalEndpoints } from './doors/routes.ts';
import { enrolmentEndpoints } from './enrolment/routes.ts';
import { eventEndpoints } from './events/routes.ts';
import { explainEndpoint } from './explain/routes.ts';
import type { Access } from './open-access.ts';
import { pinEndpoints } from './pins/routes.ts';
import { readerEndpoints } from './readers/routes.ts';
import { ruleEndpoints } from './rules/routes.ts';
import { recoveryEndpoints } from './vault/recovery-routes.ts';

/** Everything under /api/access-control that is about doors. */
export const accessEndpoints = ({ deps, enrolments }: Access): readonly Endpoint[] => [
  ...portalEndpoints(deps),
  ...ruleEndpoints(deps),
  ...credentialEndpoints(deps),
  cloneEndpoint(deps),
  ...enrolmentEndpoints(deps, enrolments),
  ...pinEndpoints(deps),
  ...doorEndpoints(deps),
  ...readerEndpoints(deps),
  ...eventEndpoints(deps),
  explainEndpoint(deps),
  ...alarmEndpoints(deps),
  ...bridgeEndpoints(deps),
  ...recoveryEndpoints(deps),
];
