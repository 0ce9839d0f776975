import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Durations } from '#hub/platform/health/metric.ts';
import { createMetricsText } from '#hub/platform/health/metrics.ts';
import { Appliance } from '#tests/_support/appliance.ts';

it('prints counters, gauges and durations as Prometheus reads them', async () => {
  const durations = new Durations();
  for (const ms of [0.1, 3, 3, 700, 60_000]) durations.observeMs(ms);
  const metrics = createMetricsText([
    {
      kind: 'counter',
      name: 'things_total',
      help: 'Things',
      read: () => [{ labels: { kind: 'a"b\n' }, value: 3 }],
    },
    { kind: 'gauge', name: 'depth', help: 'Depth', read: () => [{ value: 1.5 }] },
    {
      kind: 'durations',
      name: 'work_seconds',
      help: 'Work',
      read: () => [{ labels: { of: 'x' }, durations }],
    },
    { kind: 'gauge', name: 'absent', help: 'Not known yet', read: () => [] },
  ]);
  const text = await metrics.print();
  expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(text).toContain('# TYPE makrcave_things_total counter\nmakrcave_things_total{kind="a\\"b\\n"} 3\n');
  expect(text).toContain('# TYPE makrcave_depth gauge\nmakrcave_depth 1.5\n');
  expect(text).toContain('# TYPE makrcave_work_seconds histogram\n');
  const bucket = (bound: string): string | undefined =>
    new RegExp(`makrcave_work_seconds_bucket\\{of="x",le="${bound.replace('+', '\\+')}"\\} (\\d+)`).exec(
      text,
    )?.[1];
  expect(['0.00025', '0.0025', '0.005', '0.5', '1', '10', '+Inf'].map(bucket)).toEqual([
    '1',
    '1',
    '3',
    '3',
    '4',
    '4',
    '5',
  ]);
  expect(text).toContain('makrcave_work_seconds_count{of="x"} 5');
  expect(text).toMatch(/makrcave_work_seconds_sum\{of="x"\} 60\.70/);
  expect(text).toContain('process_resident_memory_bytes ');
});

it('counts for each hub on its own', async () => {
  const metric = { kind: 'gauge', name: 'depth', help: 'Depth', read: () => [{ value: 1 }] } as const;
  const [first, second] = [createMetricsText([metric]), createMetricsText([metric])];
  expect(await first.print()).toContain('makrcave_depth 1');
  expect(await second.print()).toContain('makrcave_depth 1');
  expect(() => createMetricsText([metric, metric])).toThrow('already been registered');
});

describe('a running hub', () => {
  let appliance: Appliance;
  beforeAll(async () => {
    appliance = await Appliance.start();
    await appliance.furnish();
  }, 60_000);
  afterAll(() => appliance.close());

  async function scrape(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    request({ socketPath: appliance.controlSocket, path: '/metrics' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
    return promise;
  }

  it('tells of requests by route, decisions by door, store, bridges and findings; no label is what somebody typed', async () => {
    await appliance.tap('123:4567');
    await appliance.tap('9:9');
    const { items } = await appliance.ask('GET', '/api/members');
    const [member] = items as { id: string }[];
    await appliance.console('GET', `/api/members/${member?.id}`);
    await appliance.console('GET', '/api/members/canary-5551234?secret=canary-5551234');
    await appliance.console('GET', '/api/canary-5551234');
    // What is looked up only now and then is looked up now.
    await appliance.ask('GET', '/health/detailed');
    const text = await scrape();
    const value = (series: string): string | undefined =>
      text
        .split('\n')
        .find((line) => line.startsWith(`makrcave_${series} `))
        ?.split(' ')
        .at(-1);
    expect(value('http_requests_total{method="GET",route="/api/members/{id}",status="200"}')).toBe('1');
    expect(value('http_requests_total{method="GET",route="/api/members/{id}",status="400"}')).toBe('1');
    expect(value('http_requests_total{method="any",route="unrouted",status="404"}')).toBe('1');
    expect(value('http_request_duration_seconds_count{method="GET",route="/api/members/{id}"}')).toBe('2');
    expect(value('access_decisions_total{result="granted",reason="",portal="front"}')).toBe('1');
    expect(value('access_decisions_total{result="denied",reason="unknownCredential",portal="front"}')).toBe(
      '1',
    );
    expect(value('bridges{state="connected"}')).toBe('1');
    expect(value('findings{severity="error"}')).toMatch(/^\d+$/);
    expect(Number(value('store_write_seconds_count'))).toBeGreaterThan(5);
    expect(value('store_queue_length{queue="writes"}')).toBe('0');
    expect(Number(value('store_size_bytes{file="database"}'))).toBeGreaterThan(0);
    expect(value('release_info{release="0.1.0",node="24.21.0"}')).toBe('1');
    expect(text).not.toContain('5551234');
    expect(text).not.toContain('Mia');
    expect(text).not.toContain(String(member?.id));
  });

  it('names and units follow the conventions of Prometheus', async () => {
    const types = [...(await scrape()).matchAll(/^# TYPE (makrcave_\S+) (\w+)$/gm)];
    expect(types.length).toBeGreaterThan(25);
    for (const [, name = '', type] of types) {
      expect(name).toMatch(/^makrcave_[a-z][a-z0-9_]*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('is for those who may see the state of the hub', async () => {
    for (const address of ['/metrics', '/health/detailed']) {
      const answer = await fetch(`${appliance.url}${address}`);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ code: 'signInRequired' });
    }
    expect((await fetch(`${appliance.url}/health`)).status).toBe(200);
  });
});
