import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { accountEndpoints } from './account-routes.ts';
import { apiSessionEndpoints } from './api-session-routes.ts';
import { auditEndpoints } from './audit-routes.ts';
import { claimEndpoints } from './claim-routes.ts';
import type { IdentityDeps } from './deps.ts';
import { roleEndpoints } from './role-routes.ts';
import { serviceAccountEndpoints } from './service-account-routes.ts';
import { sessionEndpoints } from './session-routes.ts';

/** Every endpoint of this domain. */
export function identityEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...claimEndpoints(deps),
    ...sessionEndpoints(deps),
    ...apiSessionEndpoints(deps),
    ...accountEndpoints(deps),
    ...roleEndpoints(deps),
    ...serviceAccountEndpoints(deps),
    ...auditEndpoints(deps),
  ];
}
