import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AttemptOutcome,
  answerToOutcome,
  decideStatus,
  freshStatus,
  readRetryAfter,
  retryDelayMs,
  retryDelaysMs,
  slotsOf,
} from '#hub/domains/webhooks/rules.ts';
import { lastingTopicsOf } from '#hub/domains/webhooks/schema.ts';
import { isAllowedAddress, parseNetworks, readTarget } from '#hub/domains/webhooks/target-rules.ts';
import { catalog, permissions } from '#tests/_support/open-domains.ts';

const nowMs = Date.UTC(2026, 10, 22, 12);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const failed: AttemptOutcome = {
  kind: 'failed',
  problem: 'status',
  status: 500,
  retryAfterMs: null,
  detail: null,
};

describe('addresses', () => {
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '',
    '1.2.3',
  ])('%s is none that a webhook may reach', (address) => {
    expect(isAllowedAddress(address, { allowed: [], own: [] })).toBe(false);
  });

  it.each([
    '1.1.1.1',
    '9.255.255.255',
    '172.32.0.1',
    '192.169.0.1',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('%s is on the internet', (address) => {
    expect(isAllowedAddress(address, { allowed: [], own: [] })).toBe(true);
  });

  it('are allowed where the configuration names their network, in any of their forms', () => {
    const allowed = parseNetworks(['192.168.1.0/24', 'fd00::/8', '127.0.0.1/32']);
    for (const address of ['192.168.1.5', '::ffff:192.168.1.5', 'fd12::1', '127.0.0.1'])
      expect(isAllowedAddress(address, { allowed, own: [] })).toBe(true);
    for (const address of ['192.168.2.5', '127.0.0.2', 'fc00::1', '::1', '169.254.169.254'])
      expect(isAllowedAddress(address, { allowed, own: [] })).toBe(false);
  });

  it('are none where the hub is itself in their network, public as it may be, unless the configuration names it', () => {
    const own = parseNetworks(['2a02:8070:1234:5600::17/64', '93.184.216.34/28', '10.0.0.2/24']);
    for (const address of ['2a02:8070:1234:5600:1::5', '93.184.216.40', '64:ff9b::93.184.216.40'])
      expect(isAllowedAddress(address, { allowed: [], own })).toBe(false);
    for (const address of ['2a02:8070:1234:5700::5', '93.184.216.50'])
      expect(isAllowedAddress(address, { allowed: [], own })).toBe(true);
    expect(isAllowedAddress('2a02:8070:1234:5600:1::5', { allowed: own, own })).toBe(true);
  });

  it('in private IPv4 networks stay refused however they are written into IPv6', () => {
    const privates = fc.oneof(
      fc.tuple(fc.constant(10), fc.nat(255), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(127), fc.nat(255), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(169), fc.constant(254), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(192), fc.constant(168), fc.nat(255), fc.nat(255)),
    );
    fc.assert(
      fc.property(privates, ([a, b, c, d]) => {
        const hex = [(a << 8) | b, (c << 8) | d].map((part) => part.toString(16));
        const [high, low] = hex;
        for (const form of [
          `${a}.${b}.${c}.${d}`,
          `::ffff:${high}:${low}`,
          `::${high}:${low}`,
          `64:ff9b::${high}:${low}`,
          `2002:${high}:${low}::1`,
          `::ffff:0:${high}:${low}`,
        ])
          expect(isAllowedAddress(form, { allowed: [], own: [] })).toBe(false);
      }),
    );
  });
});

describe('targets', () => {
  it.each([
    ['http://2130706433/', '127.0.0.1'],
    ['http://0x7f.1/', '127.0.0.1'],
    ['http://017700000001/', '127.0.0.1'],
    ['https://[::FFFF:127.0.0.1]/', '::ffff:7f00:1'],
  ])('%s is seen as %s', (url, host) => {
    const target = readTarget(url);
    expect(target).toMatchObject({ ok: true, value: { host, isAddress: true } });
    expect(isAllowedAddress(host, { allowed: [], own: [] })).toBe(false);
  });

  it.each([
    'ftp://example.org/',
    'file:///etc/passwd',
    'no address',
    'https://user:word@example.org/',
    'https://example.org/#part',
  ])('%s is refused', (url) =>
    expect(readTarget(url)).toMatchObject({ ok: false, refusal: { code: 'targetRefused' } }),
  );

  it('keep their port and query', () => {
    expect(readTarget('https://example.org:8443/a?b=c')).toEqual({
      ok: true,
      value: { secure: true, host: 'example.org', port: 8443, path: '/a?b=c', isAddress: false },
    });
    expect(readTarget('http://example.org')).toMatchObject({ value: { port: 80, path: '/' } });
  });
});

describe('trying again', () => {
  it('waits longer each time, spread by a fifth, and ends', () => {
    for (const [index, delayMs] of retryDelaysMs.entries()) {
      expect(retryDelayMs(index + 1, null, 0)).toBe(Math.round(delayMs * 0.8));
      expect(retryDelayMs(index + 1, null, 1)).toBe(Math.round(delayMs * 1.2));
    }
    expect(retryDelayMs(retryDelaysMs.length + 1, null, 0.5)).toBeNull();
    expect(retryDelaysMs.reduce((sum, delayMs) => sum + delayMs, 0)).toBeGreaterThan(36 * hourMs);
  });

  it('waits as long as the target asks, at most a day, and never less than without', () => {
    expect(readRetryAfter('120', nowMs)).toBe(120_000);
    expect(readRetryAfter('Sun, 22 Nov 2026 12:05:00 GMT', nowMs)).toBe(5 * minuteMs);
    expect(readRetryAfter('99999999', nowMs)).toBe(24 * hourMs);
    for (const useless of [undefined, '', 'soon', '-5', '0', 'Sun, 22 Nov 2026 11:00:00 GMT'])
      expect(readRetryAfter(useless, nowMs)).toBeNull();
    expect(retryDelayMs(1, 120_000, 0.5)).toBe(120_000);
    expect(retryDelayMs(4, 1_000, 0.5)).toBe(10 * minuteMs);
  });

  it('is for every answer that is no 2xx', () => {
    const outcome = (status: number) =>
      answerToOutcome({ status, retryAfter: undefined, excerpt: null, nowMs });
    for (const status of [200, 201, 202, 204, 299]) expect(outcome(status).kind).toBe('delivered');
    for (const status of [301, 302, 307, 308])
      expect(outcome(status)).toMatchObject({ problem: 'redirected' });
    for (const status of [400, 401, 404, 429, 500, 503])
      expect(outcome(status)).toMatchObject({ problem: 'status' });
    expect(outcome(410)).toMatchObject({ problem: 'gone' });
  });
});

describe('a target', () => {
  const after = (failures: number, everyMs: number) => {
    let status = freshStatus;
    for (let count = 0; count < failures; count += 1)
      status = decideStatus(status, failed, nowMs + count * everyMs);
    return status;
  };

  it('is left alone after many failures in a row, but not after a burst of them', () => {
    expect(after(19, minuteMs).pausedAtMs).toBeNull();
    expect(after(20, minuteMs).pausedAtMs).toBe(nowMs + 19 * minuteMs);
    expect(after(500, 10).pausedAtMs).toBeNull();
  });

  it('that is left alone gets one delivery an hour, and all as soon as one arrives', () => {
    const paused = after(20, minuteMs);
    const pausedMs = nowMs + 19 * minuteMs;
    expect(slotsOf(paused, pausedMs + 59 * minuteMs)).toBe(0);
    expect(slotsOf(paused, pausedMs + 60 * minuteMs)).toBe(1);
    const again = decideStatus(paused, failed, pausedMs + hourMs);
    expect(again.pausedAtMs).toBe(pausedMs);
    expect(slotsOf(again, pausedMs + hourMs + 1)).toBe(0);
    const well = decideStatus(again, { kind: 'delivered', status: 200 }, pausedMs + 2 * hourMs);
    expect(well).toMatchObject({ failures: 0, pausedAtMs: null, holdUntilMs: null, failingSinceMs: null });
    expect(slotsOf(well, pausedMs + 2 * hourMs)).toBe(4);
  });

  it('that asks for peace gets it for everything', () => {
    const busy = decideStatus(freshStatus, { ...failed, status: 429, retryAfterMs: 90_000 }, nowMs);
    expect(slotsOf(busy, nowMs + 89_000)).toBe(0);
    expect(slotsOf(busy, nowMs + 90_000)).toBe(4);
    const broken = decideStatus(freshStatus, { ...failed, status: 500, retryAfterMs: 90_000 }, nowMs);
    expect(slotsOf(broken, nowMs + 1)).toBe(4);
  });

  it('is not held for longer than any wait by a clock that ran ahead', () => {
    const held = { ...freshStatus, holdUntilMs: nowMs + 400 * 24 * hourMs };
    expect(slotsOf(held, nowMs)).toBe(4);
  });
});

describe('the table of topics', () => {
  it('names permissions that exist, and says what happens', () => {
    for (const [topic, spec] of Object.entries(catalog.topics)) {
      expect(topic).toMatch(/^[a-z]+\.[a-zA-Z]+$/);
      expect(permissions).toContain(spec.permission);
      expect(spec.text).toMatch(/^[A-Z].{10,}/);
    }
    const lastingTopics = lastingTopicsOf(catalog.topics);
    expect(lastingTopics).toContain('access.event');
    expect(lastingTopics).not.toContain('portal.state');
  });
});
