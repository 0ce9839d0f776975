import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import helmet from 'koa-helmet';
import { assert } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Authenticator, Transport } from './auth.ts';
import { admit } from './admission.ts';
import type { Endpoint, Reply } from './endpoint.ts';
import { assertEndpoints } from './endpoint-check.ts';
import { answerProblem, platformProblem, refusalToProblem } from './problem.ts';
import { BoundedCounters, limitRate } from './rate-limit.ts';
import type { AnyRequest, AnyResponse, RawEndpoint } from './raw-endpoint.ts';
import { type Exchange, openExchange } from './exchange.ts';
import { parseRequest } from './request-parsing.ts';
import { type StaticFiles, readStaticFiles } from './static-files.ts';

export const defaultBodyLimitBytes = 256 * 1024;
/** Addresses that are remembered at most, for each endpoint that they called in the last two minutes. */
const maxRateCounters = 20_000;
/** A minute's limit for everything that is no endpoint: the page's files and addresses that do not exist. */
const unroutedRatePerMinute = 1200;

export interface AppOptions {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints?: readonly RawEndpoint[];
  readonly authenticator: Authenticator;
  /** The folder of the built UI; without it only the API answers. */
  readonly uiDir?: string;
  readonly bodyLimitBytes?: number;
  readonly log: Logger;
  readonly clock: Clock;
}

export type HandleRequest = (request: AnyRequest, response: AnyResponse) => void;
export interface App {
  /** The handler for requests that come in by `transport`. */
  handlerFor(transport: Transport): HandleRequest;
}

/**
 * Content only from the hub itself, no inline script or style, nobody may frame it. No HSTS and no upgrade of insecure
 * requests: browsers keep both per host name whatever the port, and http://localhost on the box would stop working.
 */
const securityHeaders = (): Middleware =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        mediaSrc: ["'self'"],
        manifestSrc: ["'self'"],
        workerSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'same-origin' },
  });

/** JSON and nothing else, unpacked, up to the limit; what goes wrong is a problem, not an exception. */
function readBody(limitBytes: number, exchangeOf: (ctx: Context) => Exchange): Middleware {
  const parse = bodyParser({
    enableTypes: ['json'],
    parsedMethods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    jsonLimit: limitBytes,
    detectJSON: () => true,
    onError(error, ctx) {
      const status = 'status' in error ? error.status : undefined;
      const code = status === 413 ? 'bodyTooLarge' : status === 415 ? 'bodyNotJson' : 'malformedJson';
      // What is left of a body that is too large is not read.
      if (status === 413 && ctx.req.httpVersionMajor < 2) ctx.set('Connection', 'close');
      const facts = status === 413 ? { limitBytes } : {};
      answerProblem(ctx, platformProblem(code, { facts }), exchangeOf(ctx).requestId);
    },
  });
  return async (ctx, next) => {
    const hasBody = ctx.request.length !== 0 || ctx.get('Transfer-Encoding') !== '';
    const isWrite = !['GET', 'HEAD'].includes(ctx.method);
    const declared = ctx.get('Content-Type') !== '' || (ctx.request.length ?? 0) > 0;
    if (isWrite && declared && ctx.is('application/json') !== 'application/json') {
      // `is` answers null for a request without a body: a type alone, of nothing, does no harm unless it is a form's.
      if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== 'application/json') {
        answerProblem(ctx, platformProblem('bodyNotJson'), exchangeOf(ctx).requestId);
        return;
      }
    }
    if (!isWrite || !hasBody) return next();
    let parsed = false;
    await parse(ctx, async () => {
      parsed = true;
    });
    if (parsed && ctx.status !== 413) await next();
  };
}
