import { z } from 'zod';
import { permissions } from '#hub/domains/identity/schema.ts';
import { Fault } from '#hub/kernel/result.ts';
import type { Access, Endpoint } from './endpoint.ts';
import type { RawEndpoint } from './raw-endpoint.ts';

const wellFormedPath = /^(\/([a-z0-9][\w.-]*|\{[a-zA-Z]\w*\}))+$/;

/** `/api/members/{id}` -> `/api/members/{}`: two paths that no request can tell apart look the same. */
const pathShape = (path: string): string => path.replaceAll(/\{\w+\}/g, '{}');

export const pathParameters = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');

function accessProblem(access: Access | undefined): string | undefined {
  if (access === undefined || access === null) return 'declares no access';
  if ('permission' in access)
    return permissions.some((known) => known === access.permission)
      ? undefined
      : `names the permission ${access.permission}, which does not exist`;
  if ('signedIn' in access) return undefined;
  if ('open' in access)
    return typeof access.open === 'string' && access.open.trim() !== ''
      ? undefined
      : 'is open and does not say why that is safe';
  return 'declares no access';
}

const secretName = /(^|[a-z])(token|secret|password|recoveryCode)$|^code$/i;

/** Fields of the answer to a write that look like a secret. */
function secretFields({ method, response, access, answerIsSecret }: Endpoint): readonly string[] {
  // Without a caller no answer is kept at all.
  if (method === 'GET' || answerIsSecret || !(response instanceof z.ZodObject)) return [];
  if (accessProblem(access) !== undefined || 'open' in access) return [];
  return Object.keys(response.shape).filter((name) => secretName.test(name));
}

/**
 * Denies by default: throws the Fault `endpointsInvalid`, listing every endpoint that says not who may call it, that
 * another one hides, or whose path and parameters do not fit. Called before the hub listens.
 */
export function assertEndpoints(
  endpoints: readonly Endpoint[],
  rawEndpoints: readonly RawEndpoint[] = [],
): void {
  const problems: string[] = [];
  const seen = new Set<string>();
  const all = [
    ...endpoints,
    ...rawEndpoints.map((raw) => ({ ...raw, method: 'GET' as const, params: undefined })),
  ];
  for (const { method, path, access, ratePerMinute, params } of all) {
    const name = `${method} ${path}`;
    const shape = `${method} ${pathShape(path)}`;
    const missing = accessProblem(access);
    if (missing !== undefined) problems.push(`${name} ${missing}`);
    if (seen.has(shape)) problems.push(`${name} is there twice`);
    seen.add(shape);
    if (!wellFormedPath.test(path)) problems.push(`${name} has a path that is not well formed`);
    if (pathParameters(path).length > 0 && params === undefined)
      problems.push(`${name} has path parameters and no schema for them`);
    if (!(ratePerMinute >= 1)) problems.push(`${name} has no rate limit`);
  }
  for (const endpoint of endpoints)
    for (const field of secretFields(endpoint))
      problems.push(
        `${endpoint.method} ${endpoint.path} answers with ${field}: declare answerIsSecret, so that it is not kept`,
      );
  if (problems.length > 0)
    throw new Fault('endpointsInvalid', `the hub does not start:\n  ${problems.join('\n  ')}`);
}
