import { expect, it } from 'vitest';
import { logRequest, type RequestFacts } from '#hub/http/serving/request-log.ts';
import { RequestMeter } from '#hub/http/serving/request-meter.ts';
import { ask, logInto, serve } from './support.ts';

const facts: RequestFacts = {
  requestId: 'request-1',
  method: 'GET',
  route: '/api/members/{id}',
  params: undefined,
  status: 200,
  durationMs: 12.345,
  bytes: 120,
  remoteAddress: '192.168.1.5',
  accountId: 'ada',
};

it('says who asked for what and how long it took, and which of our things it was', () => {
  const { log, lines } = logInto();
  const id = '01890000-0000-7000-8000-000000000001';
  logRequest(log, { ...facts, params: { id, card: '123:4567', name: 'Mia Maker' } });
  expect(lines).toEqual([
    {
      level: 'info',
      time: expect.any(String),
      requestId: 'request-1',
      method: 'GET',
      route: '/api/members/{id}',
      ids: { id },
      status: 200,
      durationMs: 12.3,
      bytes: 120,
      remoteAddress: '192.168.1.5',
      accountId: 'ada',
      msg: 'request',
    },
  ]);
});

it('warns of a request that took more than a second, and keeps probes and files for debugging', () => {
  const { log, lines } = logInto();
  logRequest(log, { ...facts, durationMs: 1000 });
  logRequest(log, { ...facts, durationMs: 1001 });
  logRequest(log, { ...facts, route: '/health' });
  logRequest(log, { ...facts, route: 'unrouted' });
  expect(lines.map(({ level, msg }) => `${String(level)} ${String(msg)}`)).toEqual([
    'info request',
    'warn slow request',
    'debug request',
    'debug request',
  ]);
});

it('writes nothing of what somebody sent: path, query, headers, cookies, body', async () => {
  const told: unknown[] = [];
  const meter = new RequestMeter();
  const { origin, lines, httpPort } = await serve({
    meter,
    onFault: (_error, request) => told.push(request),
  });
  const canary = 'canary5551234';
  const send = (path: string, body?: object) =>
    ask({
      port: httpPort,
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: 'Bearer ada',
        cookie: `session=${canary}`,
        'x-csrf-token': canary,
        'user-agent': canary,
        referer: `${origin}/?token=${canary}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  await send(`/api/things/${canary}?card=${canary}&password=${canary}`);
  await send(`/${canary}/${canary}?token=${canary}`);
  await send('/api/things/7', { name: canary, password: canary, pin: canary, cardNumber: canary });
  await send('/api/things/7', { name: 'x', tags: [canary] });
  const broken = await send('/api/things/7', { name: 'broken', tags: [canary] });
  expect(broken.status).toBe(500);
  expect(lines.length).toBeGreaterThan(5);
  expect(JSON.stringify([lines, told])).not.toContain(canary);
  expect(told).toEqual([
    { requestId: broken.headers['x-request-id'], method: 'POST', route: '/api/things/{id}' },
  ]);
  const counts = meter.part.metrics?.[0]?.read() ?? [];
  expect(JSON.stringify(counts)).not.toContain(canary);
  expect(counts).toContainEqual({
    labels: { method: 'POST', route: '/api/things/{id}', status: '500' },
    value: 1,
  });
});

it('every answer carries how long it took, its id and what is left of the limit', async () => {
  const { httpPort } = await serve();
  const answer = await ask({ port: httpPort, path: '/api/things/special' });
  expect(answer.headers['x-response-time']).toMatch(/^\d+\.\d ?ms$/);
  expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(Number(answer.headers['x-ratelimit-remaining'])).toBeLessThan(
    Number(answer.headers['x-ratelimit-limit']),
  );
});
