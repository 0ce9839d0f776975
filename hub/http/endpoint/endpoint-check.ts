import { z } from 'zod';
import type { PermissionCatalog } from '#hub/kernel/permission-catalog.ts';
import { Fault } from '#hub/kernel/result.ts';
import type { Access, Endpoint } from './endpoint.ts';
import type { ProblemCatalog } from './problem-catalog.ts';
import type { RawEndpoint } from './raw-endpoint.ts';

const wellFormedPath = /^(\/([a-z0-9][\w.-]*|\{[a-zA-Z]\w*\}))+$/;

/** The route table groups routes by their first two segments, so these are fixed. */
const hasEarlyParameter = (path: string): boolean =>
  path
    .split('/')
    .slice(1, 3)
    .some((segment) => segment.includes('{'));

/** `/api/members/{id}` -> `/api/members/{}`: two paths that no request can tell apart look the same. */
const pathShape = (path: string): string => path.replaceAll(/\{\w+\}/g, '{}');

export const pathParameters = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');

function accessProblem(access: Access | undefined, permissions: PermissionCatalog): string | undefined {
  if (access === undefined || access === null) return 'declares no access';
  if ('permission' in access)
    return permissions.has(access.permission)
      ? undefined
      : `names the permission ${String(access.permission)}, which does not exist`;
  if ('signedIn' in access) return undefined;
  if ('open' in access)
    return typeof access.open === 'string' && access.open.trim() !== ''
      ? undefined
      : 'is open and does not say why that is safe';
  return 'declares no access';
}

const secretName = /(^|[a-z])(token|secret|password|recoveryCode)$|^code$/i;

/** Finds fields of the answer to a write that look like a secret. */
function secretFields({ method, response, access, answerIsSecret }: Endpoint): readonly string[] {
  // Without a caller no answer is kept at all.
  if (method === 'GET' || answerIsSecret || !(response instanceof z.ZodObject)) return [];
  if (access === undefined || access === null || 'open' in access) return [];
  return Object.keys(response.shape).filter((name) => secretName.test(name));
}

export interface CheckedEndpoints {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints?: readonly RawEndpoint[];
  readonly permissions: PermissionCatalog;
  readonly problems: ProblemCatalog;
}

/**
 * Denies by default: throws the Fault `endpointsInvalid`, listing every endpoint that declares no access, that another
 * one shadows, whose path no route can match, or that refuses with an undeclared code. Call before the hub listens.
 */
export function assertEndpoints({
  endpoints,
  rawEndpoints = [],
  permissions,
  problems: catalog,
}: CheckedEndpoints): void {
  const problems: string[] = [];
  const seen = new Set<string>();
  const all = [
    ...endpoints,
    ...rawEndpoints.map((raw) => ({ ...raw, method: 'GET' as const, params: undefined })),
  ];
  for (const { method, path, access, ratePerMinute, params } of all) {
    const name = `${method} ${path}`;
    const shape = `${method} ${pathShape(path)}`;
    const missing = accessProblem(access, permissions);
    if (missing !== undefined) problems.push(`${name} ${missing}`);
    if (seen.has(shape)) problems.push(`${name} is there twice`);
    seen.add(shape);
    if (!wellFormedPath.test(path)) problems.push(`${name} has a path that is not well formed`);
    if (hasEarlyParameter(path))
      problems.push(`${name} has a parameter in its first two segments: parameters start at the third`);
    if (pathParameters(path).length > 0 && params === undefined)
      problems.push(`${name} has path parameters and no schema for them`);
    if (!(ratePerMinute >= 1)) problems.push(`${name} has no rate limit`);
  }
  for (const { method, path, refusals } of endpoints)
    for (const code of refusals)
      if (!catalog.has(code))
        problems.push(`${method} ${path} refuses with ${code}: declare it among the problems of its domain`);
  for (const endpoint of endpoints)
    for (const field of secretFields(endpoint))
      problems.push(
        `${endpoint.method} ${endpoint.path} answers with ${field}: declare answerIsSecret, so that it is not kept`,
      );
  if (problems.length > 0)
    throw new Fault('endpointsInvalid', `the hub does not start:\n  ${problems.join('\n  ')}`);
}
