import { request } from 'node:http';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '#hub/http/endpoint/problem.ts';
import { parseRequest } from '#hub/http/endpoint/request-parsing.ts';
import { createApp } from '#hub/http/serving/app.ts';
import { testCatalog } from './problems.ts';
import { ask, authenticator, clock, echo, logInto, serve, things } from './support.ts';

const json = { 'content-type': 'application/json', authorization: 'Bearer ada' };
const post = (origin: string, body: unknown, path = '/api/things/7?limit=3', headers: object = json) =>
  fetch(origin + path, { method: 'POST', headers: { ...headers }, body: JSON.stringify(body) });

/** The problem document of an answer, after checking everything that each of them must have. */
async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  const problem = problemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  expect(problem.type).toBe(`urn:makrcave:problem:${problem.code}`);
  expect(problem.requestId).toBe(response.headers.get('x-request-id'));
  return problem;
}

describe('an endpoint over HTTP', () => {
  it('gets parsed params, query and body and answers through its response schema', async () => {
    const { origin } = await serve();
    const response = await post(origin, { name: 'drill' });
    expect(response.status).toBe(201);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-response-time')).toMatch(/^\d+\.\dms$/);
    expect(await response.json()).toEqual({
      id: '7',
      limit: 3,
      name: 'drill',
      at: '1970-01-01T00:00:00.000Z',
    });
  });

  it('names every wrong field at once, with a pointer', async () => {
    const { origin } = await serve();
    const body = { tags: ['a', 3], 'a/b~c': 'x', extra: 1 };
    const problem = await problemOf(
      await post(origin, body, `/api/things/${'x'.repeat(21)}?limit=900&sort=1`),
    );
    expect(problem).toMatchObject({ status: 400, code: 'invalidRequest' });
    expect(problem.errors?.map((error) => error.pointer).sort()).toEqual([
      '/body/a~1b~0c',
      '/body/extra',
      '/body/name',
      '/body/tags/1',
      '/params/id',
      '/query/limit',
      '/query/sort',
    ]);
    expect(problem.errors).toContainEqual({ pointer: '/body/name', message: 'is required' });
    expect(problem.errors).toContainEqual({ pointer: '/body/extra', message: 'is not known here' });
  });

  it('takes a trailing slash, HEAD for GET, and fixed segments before parameters', async () => {
    const { origin } = await serve();
    expect((await fetch(`${origin}/api/things/`)).status).toBe(200);
    expect(await (await fetch(`${origin}/api/things/special`)).json()).toEqual({
      path: '/api/things/special',
    });
    expect(await (await fetch(`${origin}/api/things/a%2Fb`)).json()).toEqual({ id: 'a/b' });
    const head = await fetch(`${origin}/api/things`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('answers a refusal with the status and words of its code, its facts and its next step', async () => {
    const { origin } = await serve();
    expect(await problemOf(await post(origin, { name: 'missing' }))).toMatchObject({
      status: 404,
      code: 'thingMissing',
      title: 'There is no such thing',
    });
    expect(await problemOf(await post(origin, { name: 'stale' }))).toMatchObject({
      status: 409,
      current: { version: 7 },
    });
    const resting = await post(origin, { name: 'resting' });
    expect(resting.headers.get('retry-after')).toBe('3');
    expect(await problemOf(resting)).toMatchObject({ status: 503, nextStep: 'Wait.' });
  });

  it('answers what broke without a detail, and logs it whole', async () => {
    const { origin, lines } = await serve();
    expect(await problemOf(await post(origin, { name: 'diskFull' }))).toMatchObject({
      status: 507,
      code: 'diskFull',
    });
    const busy = await post(origin, { name: 'storeBusy' });
    expect(busy.headers.get('retry-after')).toBe('1');
    expect(await problemOf(busy)).toMatchObject({ status: 503, code: 'storeBusy' });
    const broken = await problemOf(await post(origin, { name: 'broken' }));
    expect(broken).toMatchObject({ status: 500, code: 'internalError' });
    expect(JSON.stringify(broken)).not.toContain('secret');
    expect(lines).toContainEqual(
      expect.objectContaining({
        requestId: broken.requestId,
        err: expect.objectContaining({ message: 'secret detail' }),
      }),
    );
  });

  it('answers 500 rather than a column that its response schema does not know', async () => {
    const { origin } = await serve();
    const response = await fetch(`${origin}/api/leaky`);
    expect(await problemOf(response)).toMatchObject({ status: 500 });
  });

  it('takes a harmless X-Request-ID over and makes its own instead of any other', async () => {
    const { origin } = await serve();
    const idFor = async (sent: string) =>
      (await fetch(`${origin}/api/things`, { headers: { 'x-request-id': sent } })).headers.get(
        'x-request-id',
      );
    expect(await idFor('kiosk-2026-0001')).toBe('kiosk-2026-0001');
    for (const sent of [
      'short',
      'a b c d e f g h',
      '<script>alert(1)</script>',
      'x'.repeat(65),
      '-leading-dash',
    ])
      expect(await idFor(sent)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('logs one line for each request, without query and without secrets', async () => {
    const { origin, lines } = await serve();
    await post(origin, { name: 'drill' }, '/api/things/7?limit=3');
    const line = lines.find((entry) => entry['msg'] === 'request');
    expect(line).toMatchObject({ method: 'POST', route: '/api/things/{id}', status: 201, accountId: 'ada' });
    expect(JSON.stringify(lines)).not.toContain('Bearer');
  });
});

describe('who may call', () => {
  it('is asked at every endpoint that is not open', async () => {
    const { origin } = await serve();
    const codeAt = async (path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(origin + path, { headers });
      return response.ok ? response.status : (await problemOf(response)).code;
    };
    expect(await codeAt('/api/me')).toBe('signInRequired');
    expect(await codeAt('/api/me', { authorization: 'Bearer old' })).toBe('sessionExpired');
    expect(await codeAt('/api/me', { authorization: 'Bearer ada' })).toBe(200);
    expect(await codeAt('/api/managed')).toBe('signInRequired');
    expect(await codeAt('/api/managed', { authorization: 'Bearer ada' })).toBe('permissionMissing');
    expect(await codeAt('/api/things', { authorization: 'Bearer old' })).toBe(200);
  });

  it('is decided before the body is read', async () => {
    const { origin } = await serve();
    const response = await post(origin, { nonsense: true }, '/api/things/7', {
      'content-type': 'application/json',
    });
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'signInRequired' });
  });

  it('is nobody for a write of another site, at open endpoints too', async () => {
    const { origin } = await serve();
    const response = await fetch(`${origin}/api/open`, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(await problemOf(response)).toMatchObject({ status: 403, code: 'csrfFailed' });
    expect((await fetch(`${origin}/api/open`, { method: 'POST' })).status).toBe(200);
  });

  it('must be declared, or the app is not made', () => {
    const { log } = logInto();
    const [first, second] = things;
    const { access: _, ...undeclared } = { ...first!, path: '/api/undeclared' };
    const endpoints = [
      undeclared as typeof echo,
      { ...second!, access: { permission: 'no.such' } } as never,
      { ...second!, path: '/api/silent', access: { open: ' ' } },
      { ...echo, path: '/api/things/{other}' },
      echo,
      { ...second!, path: 'api//x' },
      { ...second!, path: '/api/{id}' },
      { ...echo, path: '/{kind}/{id}/things' },
      { ...second!, path: '/api/unlimited', ratePerMinute: 0 },
    ];
    expect(() => createApp({ endpoints, authenticator, ...testCatalog, log, clock })).toThrow(
      expect.objectContaining({
        code: 'endpointsInvalid',
        message: [
          'the hub does not start:',
          'POST /api/undeclared declares no access',
          'GET /api/things names the permission no.such, which does not exist',
          'GET /api/silent is open and does not say why that is safe',
          'POST /api/things/{id} is there twice',
          'GET api//x has a path that is not well formed',
          'GET /api/{id} has a parameter in its first two segments: parameters start at the third',
          'GET /api/{id} has path parameters and no schema for them',
          'POST /{kind}/{id}/things has a parameter in its first two segments: parameters start at the third',
          'GET /api/unlimited has no rate limit',
        ].join('\n  '),
      }),
    );
  });
});

describe('bodies', () => {
  it('are JSON: anything else is 415, broken JSON is 400', async () => {
    const { origin } = await serve();
    const send = async (body: string, headers: Record<string, string>) => {
      const response = await fetch(`${origin}/api/things/7`, {
        method: 'POST',
        body,
        headers: { ...json, ...headers },
      });
      return response.ok ? response.status : (await problemOf(response)).code;
    };
    expect(await send('{"name":"x"}', { 'content-type': 'text/plain' })).toBe('bodyNotJson');
    expect(await send('name=x', { 'content-type': 'application/x-www-form-urlencoded' })).toBe('bodyNotJson');
    expect(await send('{"name":"x"}', { 'content-type': 'application/csp-report' })).toBe('bodyNotJson');
    expect(await send('{"name":"x"}', { 'content-encoding': 'gzip' })).toBe('bodyNotJson');
    expect(await send('{"name":"x"}', { 'content-type': 'application/json; charset=utf-8' })).toBe(201);
    expect(await send('{"name":"x"}', { 'content-type': 'application/json;charset="UTF-8"' })).toBe(201);
    expect(await send('{"name":"x"}', { 'content-type': 'application/json; charset=iso-8859-1' })).toBe(
      'bodyNotJson',
    );
    for (const broken of ['{', '"x"', 'nul', '\u0000', '{"name":"x"}}'])
      expect(await send(broken, {})).toBe('malformedJson');
    expect(await send('[]', {})).toBe('invalidRequest');
    expect(await send('', {})).toBe('invalidRequest');
  });

  it('are UTF-8: a byte that is not is refused, and never becomes another character', async () => {
    const { origin } = await serve();
    const send = async (body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) => {
      const response = await fetch(`${origin}/api/things/7`, { method: 'POST', body, headers });
      return response.ok ? response.status : (await problemOf(response)).code;
    };
    expect(await send(Buffer.from('{"name":"Müller"}', 'latin1'))).toBe('bodyNotUtf8');
    expect(await send(Buffer.from('{"name":"Müller"}', 'utf16le'))).toBe('malformedJson');
    expect(await send(Buffer.from('{"name":"Müller \ufffd"}'))).toBe(201);
  });

  it('are 413 when they are too large, by their length or as they come', async () => {
    const { origin, httpPort } = await serve({ bodyLimitBytes: 1000 });
    const large = JSON.stringify({ name: 'x'.repeat(1000) });
    const declared = await fetch(`${origin}/api/things/7`, { method: 'POST', headers: json, body: large });
    expect(await problemOf(declared)).toMatchObject({ status: 413, code: 'bodyTooLarge', limitBytes: 1000 });
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const chunked = request(
      {
        host: '127.0.0.1',
        port: httpPort,
        path: '/api/things/7',
        method: 'POST',
        headers: json,
        agent: false,
      },
      (response) => resolve(response.statusCode),
    );
    chunked.on('error', reject);
    chunked.write(large.slice(0, 600));
    chunked.write(large.slice(600));
    expect(await promise).toBe(413);
    chunked.destroy();
    const fits = await fetch(`${origin}/api/things/7`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ name: 'x'.repeat(980) }),
    });
    expect(fits.status).toBe(201);
  });

  it('do not reach the prototype of anything', async () => {
    const { origin } = await serve();
    const response = await fetch(`${origin}/api/things/7`, {
      method: 'POST',
      headers: json,
      body: '{"name":"x","__proto__":{"admin":true}}',
    });
    expect(await problemOf(response)).toMatchObject({ status: 400 });
  });
});

describe('addresses without an endpoint', () => {
  it('are 404, other methods 405 with Allow, and OPTIONS names the methods', async () => {
    const { origin } = await serve();
    for (const path of ['/api/nothing', '/nothing', '/api', '/api/things/7/8'])
      expect(await problemOf(await fetch(origin + path))).toMatchObject({ status: 404, code: 'notFound' });
    const wrong = await fetch(`${origin}/api/things/7`, { method: 'DELETE' });
    expect(wrong.headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'HEAD', 'POST']);
    expect(await problemOf(wrong)).toMatchObject({ status: 405, code: 'methodNotAllowed' });
    const options = await fetch(`${origin}/api/things/7`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, wrong.headers.get('allow')]);
  });

  it('are a problem in every strange form that a client may send', async () => {
    const { httpPort } = await serve();
    for (const path of ['//', '/%', '/api/%ff', '/..%2f..%2fetc/passwd', '/api/\\', '/api/things/%00'])
      expect([200, 404], path).toContain((await ask({ port: httpPort, path })).status);
    const foreign = await ask({
      port: httpPort,
      path: '/api/things',
      headers: { host: 'evil.example:8080' },
    });
    expect(foreign.json()).toMatchObject({ status: 421, code: 'misdirectedRequest' });
    const local = await ask({ port: httpPort, path: '/api/things', headers: { host: '[::1]:8080' } });
    expect(local.status).toBe(200);
  });
});

describe('rate limits', () => {
  it('count each client and endpoint, and say when to come back', async () => {
    const { origin } = await serve();
    const first = await fetch(`${origin}/api/limited`);
    expect(first.headers.get('x-ratelimit-limit')).toBe('40');
    expect(first.headers.get('x-ratelimit-remaining')).toBe('39');
    expect(first.headers.get('x-ratelimit-reset')).toMatch(/^\d{10}$/);
    for (let count = 1; count < 40; count += 1)
      expect((await fetch(`${origin}/api/limited`)).status).toBe(200);
    const limited = await fetch(`${origin}/api/limited`);
    expect(await problemOf(limited)).toMatchObject({ status: 429, code: 'tooManyRequests' });
    const seconds = Number(limited.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(limited.headers.get('x-ratelimit-remaining')).toBe('0');
    expect((await fetch(`${origin}/api/things`)).status).toBe(200);
  });
});

describe('security headers', () => {
  it('stand on every answer, with a policy that allows no inline script', async () => {
    const { origin } = await serve();
    for (const path of ['/api/things', '/api/nothing', '/']) {
      const { headers } = await fetch(origin + path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toContain('unsafe');
      expect(policy).not.toContain('upgrade-insecure-requests');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('strict-transport-security')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });
});

describe('parsing a request', () => {
  const endpoint = { params: undefined, query: undefined, body: z.strictObject({ n: z.int() }) };

  it('never throws and never lets anything through that the schema does not know', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (body, query) => {
        const parsed = parseRequest(endpoint, { params: {}, query, body });
        if (parsed.ok) expect(Object.keys(parsed.body as object)).toEqual(['n']);
        else for (const { pointer } of parsed.errors) expect(pointer).toMatch(/^\/(body|query)(\/|$)/);
      }),
    );
  });

  it('never repeats a value that was sent', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (noise) => {
        const parsed = parseRequest(endpoint, { params: {}, query: {}, body: { n: `canary${noise}` } });
        expect(JSON.stringify(parsed)).not.toContain('canary');
      }),
    );
  });
});
