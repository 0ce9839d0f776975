import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import { Secret } from '#hub/platform/config/secret.ts';
import type { ErrorReports } from '#hub/platform/errors/error-report.ts';
import { errorToEvent } from '#hub/platform/errors/error-report-event.ts';
import { createSentryReports } from '#hub/platform/errors/error-report-sentry.ts';
import { ErrorSpool } from '#hub/platform/errors/error-report-spool.ts';
import { createLog } from '#hub/platform/log.ts';

const root = path.resolve(import.meta.dirname, '../..');
const facts = {
  place: { where: 'GET /api/members/{id}', requestId: 'request-12345' },
  level: 'error',
  nowMs: Date.UTC(2026, 10, 23),
  release: '0.1.0',
  environment: 'test',
  root,
} as const;

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'mc-err-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

interface Envelope {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly header: { event_id: string; sent_at: string };
  readonly event: ReturnType<typeof errorToEvent>;
}

/** A service that speaks the envelope endpoint; answers with the statuses given, then 200. */
async function service(statuses: (number | [number, Record<string, string>])[] = []) {
  const got: Envelope[] = [];
  let asked = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      asked += 1;
      const next = statuses.shift() ?? 200;
      const [status, headers] = typeof next === 'number' ? [next, {}] : next;
      if (status === 200) {
        const [header = '', item = '', event = ''] = text.split('\n');
        expect(JSON.parse(item)).toMatchObject({ type: 'event' });
        got.push({
          url: request.url ?? '',
          contentType: request.headers['content-type'],
          header: JSON.parse(header) as Envelope['header'],
          event: JSON.parse(event) as Envelope['event'],
        });
      }
      response.writeHead(status, headers).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { dsn: `http://abc123@127.0.0.1:${port}/42`, got, asked: () => asked, server };
}

function open(dsn: string, directory: string, nowMs: () => number = () => facts.nowMs): ErrorReports {
  const reports = createSentryReports({
    dsn: new Secret(dsn),
    environment: 'test',
    release: '0.1.0',
    root,
    directory,
    clock: { nowMs },
    log: createLog({ level: 'silent' }),
    retryMs: 10,
  });
  onTestFinished(() => reports.close());
  return reports;
}

const figure = async (reports: ErrorReports, name: string) =>
  (await reports.part.figures?.())?.find((candidate) => candidate.name === name)?.value;

it('sends a fault as an envelope, with where it broke and nothing else', async () => {
  const { dsn, got } = await service();
  const reports = open(dsn, folder());
  reports.report(new Fault('storeFault', 'the store of Mia Maker failed'), facts.place);
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(1);
  const [envelope] = got;
  expect(envelope?.url).toMatch(/^\/api\/42\/envelope\/\?sentry_version=7&sentry_key=abc123/);
  expect(envelope?.contentType).toBe('application/x-sentry-envelope');
  expect(envelope?.header.event_id).toBe(envelope?.event.event_id);
  expect(envelope?.event).toMatchObject({
    level: 'error',
    release: '0.1.0',
    environment: 'test',
    tags: { where: 'GET /api/members/{id}', requestId: 'request-12345', alike: 0 },
    exception: { values: [{ type: 'Fault', value: 'storeFault' }] },
  });
  const frames = envelope?.event.exception.values[0]?.stacktrace.frames ?? [];
  expect(frames.at(-1)).toMatchObject({ filename: 'tests/platform/error-report.test.ts', in_app: true });
});

it('says nothing of what an error quotes: names, cards, tokens, addresses, paths of this machine', () => {
  const canaries = [
    'Mia Maker',
    'mia@example.org',
    '0012345678',
    'Bearer eyJhbGciOi',
    'hunter2',
    '192.168.1.77',
    '/home/olga/secret.txt',
    'canaryFunction',
  ];
  const message = `${canaries.join(' ')}\n    at canaryFunction (${root}/hub/secret-${canaries[4]}.ts:1:1)`;
  const cause = Object.assign(new Error(message), { code: canaries[3], headers: { cookie: canaries[3] } });
  const error = Object.assign(new Error(message, { cause }), {
    name: canaries[0],
    body: { name: canaries[0] },
  });
  error.stack = `${error.stack ?? ''}\n    at elsewhere (/home/olga/secret.txt:1:2)`;
  const text = JSON.stringify(errorToEvent(error, facts));
  for (const canary of canaries) expect(text).not.toContain(canary);
  expect(text).not.toContain(root);
  expect(text).toContain('tests/platform/error-report.test.ts');
});

it('tells of the same fault once, and later how many were like it', async () => {
  const { dsn, got } = await service();
  let nowMs = facts.nowMs;
  const reports = open(dsn, folder(), () => nowMs);
  const breakAgain = (): void => reports.report(new Fault('broken', 'x'), { where: 'chore policy' });
  for (let count = 0; count < 30; count += 1) breakAgain();
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(1);
  nowMs += 11 * 60_000;
  breakAgain();
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(2);
  expect(got.map(({ event }) => event.tags.alike)).toEqual([0, 29]);
});

it('tells of ten kinds a minute at most, and of no situation that is a finding', async () => {
  const directory = folder();
  const reports = open('http://abc@127.0.0.1:1/1', directory);
  for (const code of ['storeBusy', 'storeClosed', 'diskFull'])
    reports.report(new Fault(code, 'x'), facts.place);
  expect(readdirSync(directory)).toEqual([]);
  for (let kind = 0; kind < 50; kind += 1) reports.report(new Fault(`kind${kind}`, 'x'), facts.place);
  expect(readdirSync(directory)).toHaveLength(10);
});

it('keeps reports in private files while the service is away, and sends them when it is back', async () => {
  const directory = folder();
  const away = open('http://abc123@127.0.0.1:1/42', directory);
  away.report(new Fault('first', 'x'), facts.place);
  away.keep(new Error('dying'), { where: 'uncaught' });
  await away.close();
  const files = readdirSync(directory);
  expect(files).toHaveLength(2);
  for (const name of files) expect(statSync(path.join(directory, name)).mode & 0o777).toBe(0o600);
  const { dsn, got } = await service([503, 503]);
  const reports = open(dsn, directory);
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(2);
  expect(got.map(({ event }) => event.level).sort()).toEqual(['error', 'fatal']);
  await expect.poll(() => readdirSync(directory), { timeout: 10_000 }).toEqual([]);
  expect(await figure(reports, 'sent')).toBe(2);
});

it('waits as long as the service asks for', async () => {
  const { dsn, got, asked } = await service([[429, { 'retry-after': '3600' }]]);
  const directory = folder();
  const reports = open(dsn, directory);
  reports.report(new Fault('first', 'x'), facts.place);
  await expect.poll(asked, { timeout: 10_000 }).toBe(1);
  reports.report(new Fault('second', 'x'), facts.place);
  await expect.poll(() => readdirSync(directory).length, { timeout: 10_000 }).toBe(2);
  expect(got).toEqual([]);
});

it('gives up what the service refuses, and finds that', async () => {
  const { dsn } = await service([403]);
  const directory = folder();
  const reports = open(dsn, directory);
  reports.report(new Fault('first', 'x'), facts.place);
  await expect.poll(() => readdirSync(directory), { timeout: 10_000 }).toEqual([]);
  await expect
    .poll(async () => (await reports.part.findings?.())?.map(({ id }) => id), { timeout: 10_000 })
    .toEqual(['errorReports.rejected']);
});

it('bounds what waits: a hundred reports, a week, and nothing damaged', () => {
  const directory = folder();
  const spool = new ErrorSpool(directory);
  const eventAt = (nowMs: number) => errorToEvent(new Fault('old', 'x'), { ...facts, nowMs });
  for (let minute = 0; minute < 130; minute += 1) spool.add(eventAt(facts.nowMs + minute * 60_000));
  expect(spool.count()).toBe(100);
  expect(spool.dropped).toBe(30);
  expect(spool.oldestAtMs()).toBe(facts.nowMs + 30 * 60_000);
  const [oldest = ''] = readdirSync(directory).sort();
  writeFileSync(
    path.join(directory, oldest),
    readFileSync(path.join(directory, oldest), 'utf8').slice(0, 40),
  );
  expect(spool.first(facts.nowMs + 3_600_000)?.name).toBe(readdirSync(directory).sort()[0]);
  expect(spool.count()).toBe(99);
  expect(spool.first(facts.nowMs + 8 * 86_400_000)).toBeNull();
  expect(spool.count()).toBe(0);
});
