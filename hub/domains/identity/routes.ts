import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { accountEndpoints } from './accounts/routes.ts';
import { auditEndpoints } from './audit/routes.ts';
import type { IdentityDeps } from './deps.ts';
import { roleEndpoints } from './roles/routes.ts';
import { sessionEndpoints } from './sessions/routes.ts';
import { claimEndpoints } from './site/routes.ts';
import { apiSessionEndpoints } from './tokens/api-session-routes.ts';
import { serviceAccountEndpoints } from './tokens/service-account-routes.ts';

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
