import type { Endpoint } from '#hub/http/endpoint.ts';
import { accountEndpoints } from './account-routes.ts';
import { auditEndpoints } from './audit-routes.ts';
import { claimEndpoints } from './claim-routes.ts';
import type { IdentityDeps } from './deps.ts';
import { roleEndpoints } from './role-routes.ts';
import { sessionEndpoints } from './session-routes.ts';

/** Every endpoint of this domain. */
export function identityEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...claimEndpoints(deps),
    ...sessionEndpoints(deps),
    ...accountEndpoints(deps),
    ...roleEndpoints(deps),
    ...auditEndpoints(deps),
  ];
}
