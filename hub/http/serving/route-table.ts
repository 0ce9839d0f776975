import { Router } from '@koa/router';
import type { Middleware } from 'koa';

type Dispatch = ReturnType<Router['routes']>;

interface Group {
  readonly router: Router;
  readonly dispatch: Dispatch;
}

/** Names the group of a path by its number of segments and the first two, in lower case as the router compares them. */
function groupOf(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '');
  return [segments.length, ...segments.slice(0, 2)].join('/').toLowerCase();
}

/** `/api/members/{id}` as the router writes it. */
const routerPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/**
 * Routes in many small routers, since one router tries each of its routes in turn and there are hundreds. Parameters start
 * at the third segment, which `assertEndpoints` checks.
 */
export class RouteTable {
  readonly #groups = new Map<string, Group>();

  /** A route that comes earlier goes first where both fit. */
  add(method: string, path: string, steps: Middleware[]): void {
    const key = groupOf(path);
    const router = this.#groups.get(key)?.router ?? new Router();
    this.#groups.set(key, { router, dispatch: router.routes() });
    router.register(routerPath(path), [method.toLowerCase()], steps);
  }

  /** Hands the request to its route, or on. */
  readonly dispatch = (...[ctx, next]: Parameters<Dispatch>): Promise<unknown> =>
    this.#groups.get(groupOf(ctx.path))?.dispatch(ctx, next) ?? next();

  /** The methods that something at this path takes. */
  methodsAt(path: string): readonly string[] {
    const layers = this.#groups.get(groupOf(path))?.router.stack ?? [];
    return [...new Set(layers.filter((layer) => layer.match(path)).flatMap((layer) => layer.methods))];
  }
}
