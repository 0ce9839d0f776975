import { describe, expect, it, onTestFinished } from 'vitest';
import { memberEndpoints } from '#hub/domains/members/routes.ts';
import type { Authenticator } from '#hub/http/endpoint/auth.ts';
import { createApp } from '#hub/http/serving/app.ts';
import { startServer } from '#hub/http/serving/server.ts';
import { UnreadableRows } from '#hub/http/serving/unreadable-rows.ts';
import { ok } from '#hub/kernel/result.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { appCatalog, permissions } from '#tests/_support/open-domains.ts';
import { addPlan, isoAt, openBench, startMs } from './support.ts';

const log = createLog({ level: 'silent' });
const dayMs = 86_400_000;

/** Signs everybody in with the permissions that the header names. */
const authenticator: Authenticator = {
  authenticate: async ({ headers }) => {
    const named = String(headers['x-permissions'] ?? '').split(',');
    return ok({
      kind: 'account',
      accountId: '01890000-0000-7000-8000-000000000001',
      displayName: 'Grace',
      permissions: new Set(permissions.filter((permission) => named.includes(permission))),
      sessionId: 's',
    });
  },
  recheck: async (principal) => principal,
};

/** The members' endpoints in the real app on a free port, over a real store. */
async function serve() {
  const bench = await openBench();
  const unreadableRows = new UnreadableRows();
  const app = createApp({
    unreadableRows,
    endpoints: memberEndpoints(bench.deps),
    ...appCatalog,
    authenticator,
    log,
    clock: { monotonicMs: () => performance.now() },
  });
  const server = await startServer({ app, httpPort: 0, log });
  onTestFinished(() => server.close(0));
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    allowed: readonly string[] = ['member.read', 'member.manage', 'plan.read', 'plan.manage'],
  ) => {
    const response = await fetch(`http://127.0.0.1:${server.httpPort}${path}`, {
      method,
      headers: { 'x-permissions': allowed.join(','), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // oxlint-disable-next-line typescript/no-explicit-any -- the tests look into answers of every shape
    const answer = (await response.json()) as Record<string, any>;
    return { status: response.status, body: answer };
  };
  const csv = async (path: string) => {
    const headers = { 'x-permissions': 'member.read,plan.read', accept: 'text/csv' };
    return (await fetch(`http://127.0.0.1:${server.httpPort}${path}`, { headers })).text();
  };
  return { bench, call, csv, unreadableRows, origin: `http://127.0.0.1:${server.httpPort}` };
}

const euro = { priceMinor: 2500, currency: 'EUR', interval: 'month' };

describe('the members’ API', () => {
  it('takes a member from the first visit through hold, suspension and search to the door', async () => {
    const { call } = await serve();
    const plan = await call('POST', '/api/members/plans', { name: 'Standard', ...euro });
    expect(plan).toMatchObject({ status: 201, body: { version: 1, graceDays: 7, active: true } });
    const created = await call('POST', '/api/members', { name: 'Zoë Müller', email: 'zoe@example.org' });
    expect(created).toMatchObject({
      status: 201,
      body: { number: 1001, status: 'active', membershipState: 'none', admitsNow: false, groups: [] },
    });
    const path = `/api/members/${created.body['id']}`;
    const until = isoAt(startMs + 30 * dayMs);
    const membership = await call('POST', `${path}/memberships`, { planId: plan.body['id'], until });
    expect(membership).toMatchObject({ status: 201, body: { state: 'active', planName: 'Standard', until } });

    const row = {
      name: 'Zoë Müller',
      planName: 'Standard',
      membershipState: 'active',
      onHold: false,
      admitsNow: true,
    };
    for (const query of ['q=mueller', 'q=1001', 'q=zoe@', `planId=${plan.body['id']}`, 'status=active&q=z'])
      expect((await call('GET', `/api/members?${query}`)).body, query).toMatchObject({
        items: [row],
        nextCursor: null,
      });
    expect((await call('GET', '/api/members?q=nobody')).body).toEqual({ items: [], nextCursor: null });

    const hold = await call('POST', `${path}/holds`, { reason: 'unpaid invoice' });
    expect(hold).toMatchObject({ status: 201, body: { placedBy: 'Grace', releasedAt: null } });
    expect((await call('GET', '/api/members')).body['items'][0]).toMatchObject({
      onHold: true,
      admitsNow: false,
    });
    const release = `${path}/holds/${hold.body['id']}/release`;
    expect(await call('POST', release, { note: 'paid' })).toMatchObject({ status: 200 });
    expect(await call('POST', release, {})).toMatchObject({
      status: 409,
      body: { code: 'holdAlreadyReleased' },
    });

    expect((await call('POST', `${path}/suspend`, { reason: 'x' })).body['status']).toBe('suspended');
    expect((await call('POST', `${path}/reactivate`, {})).body).toMatchObject({ admitsNow: true });
    expect((await call('POST', `${path}/leave`, {})).body).toMatchObject({
      status: 'left',
      admitsNow: false,
    });
    expect((await call('GET', `${path}/holds`)).body).toMatchObject({ items: [{ releaseNote: 'paid' }] });
    expect((await call('GET', `${path}/memberships`)).body).toMatchObject({ items: [{ state: 'ended' }] });
  });

  it('answers a refusal with its code, its facts, words for people and the next step', async () => {
    const { call } = await serve();
    const plan = await call('POST', '/api/members/plans', { name: 'Standard', ...euro });
    const member = await call('POST', '/api/members', { name: 'Ada' });
    const path = `/api/members/${member.body['id']}`;
    const membership = await call('POST', `${path}/memberships`, { planId: plan.body['id'] });
    const events = `${path}/memberships/${membership.body['id']}/events`;
    expect(await call('POST', events, { event: 'resume' })).toMatchObject({
      status: 409,
      body: {
        code: 'transitionNotAllowed',
        title: 'That is not possible in the membership’s present state',
        nextStep: expect.stringContaining('`allowed`'),
        state: 'active',
        event: 'resume',
        allowed: ['renew', 'paymentMissed', 'pause', 'suspend', 'cancel', 'end'],
        requestId: expect.any(String),
      },
    });
    expect(await call('POST', events, { event: 'periodEnded' })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/body/event' }] },
    });
    expect(await call('POST', `${path}/memberships`, { planId: plan.body['id'] })).toMatchObject({
      status: 409,
      body: { code: 'membershipOverlaps', membershipId: membership.body['id'] },
    });
    expect((await call('POST', events, { event: 'pause' })).body).toMatchObject({ state: 'paused' });
    expect((await call('POST', events, { event: 'renew', until: isoAt(startMs + dayMs) })).status).toBe(409);
    expect(await call('DELETE', `/api/members/plans/${plan.body['id']}`)).toMatchObject({
      status: 409,
      body: { code: 'planInUse' },
    });
    expect(await call('GET', `/api/members/${newId()}`)).toMatchObject({
      status: 404,
      body: { code: 'memberNotFound' },
    });
    expect(await call('GET', '/api/members?cursor=nonsense')).toMatchObject({
      status: 400,
      body: { code: 'cursorInvalid', nextStep: expect.stringContaining('Leave `cursor` out') },
    });
  });

  it('answers a stale change with the row as it is now', async () => {
    const { call } = await serve();
    const member = await call('POST', '/api/members', { name: 'Ada' });
    const path = `/api/members/${member.body['id']}`;
    expect((await call('PATCH', path, { version: 1, name: 'Ada King' })).body).toMatchObject({ version: 2 });
    expect(await call('PATCH', path, { version: 1, notes: 'x' })).toMatchObject({
      status: 409,
      body: { code: 'staleVersion', current: { version: 2, name: 'Ada King', notes: null } },
    });
  });

  it('names every field that is wrong at once', async () => {
    const { call } = await serve();
    const answer = await call('POST', '/api/members', {
      email: 'x',
      phone: 'y',
      waiverDate: 'yesterday',
      colour: 'red',
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalidRequest' } });
    const pointers = answer.body['errors'].map((error: { pointer: string }) => error.pointer).sort();
    expect(pointers).toEqual([
      '/body/colour',
      '/body/email',
      '/body/name',
      '/body/phone',
      '/body/waiverDate',
    ]);
    expect((await call('GET', '/api/members?limit=1000')).status).toBe(400);
    expect((await call('GET', '/api/members/42')).status).toBe(400);
    const plan = { name: 'x', ...euro, currency: 'XYZ', priceMinor: 12.5 };
    expect((await call('POST', '/api/members/plans', plan)).body['errors']).toMatchObject([
      { pointer: '/body/priceMinor' },
      { pointer: '/body/currency', message: 'must be an ISO 4217 code such as EUR' },
    ]);
  });

  it('lists plans and groups page by page, and puts members into groups', async () => {
    const { call } = await serve();
    for (const name of ['Zeta', 'Émile', 'alpha'])
      await call('POST', '/api/members/plans', { name, ...euro, active: name !== 'Zeta' });
    const first = await call('GET', '/api/members/plans?limit=2');
    expect(first.body['items'].map((plan: { name: string }) => plan.name)).toEqual(['alpha', 'Émile']);
    const rest = await call('GET', `/api/members/plans?limit=2&cursor=${first.body['nextCursor']}`);
    expect(rest.body).toMatchObject({ items: [{ name: 'Zeta' }], nextCursor: null });
    const inactive = await call('GET', '/api/members/plans?active=false');
    expect(inactive.body['items']).toMatchObject([{ name: 'Zeta' }]);

    const group = await call('POST', '/api/members/groups', { name: 'Wood team' });
    const member = await call('POST', '/api/members', { name: 'Ada' });
    const entry = `/api/members/groups/${group.body['id']}/members/${member.body['id']}`;
    expect(await call('PUT', entry)).toMatchObject({ status: 200, body: { memberCount: 1 } });
    expect((await call('GET', `/api/members/${member.body['id']}`)).body['groups']).toEqual([
      { id: group.body['id'], name: 'Wood team' },
    ]);
    expect((await call('GET', `/api/members?groupId=${group.body['id']}`)).body['items']).toHaveLength(1);
    expect(await call('DELETE', `/api/members/groups/${group.body['id']}`)).toMatchObject({
      status: 409,
      body: { code: 'groupInUse', memberCount: 1 },
    });
    expect((await call('DELETE', entry)).body['memberCount']).toBe(0);
    expect((await call('DELETE', `/api/members/groups/${group.body['id']}`)).status).toBe(200);
    expect((await call('GET', `/api/members/groups/${group.body['id']}`)).status).toBe(404);
  });

  it('lets nobody read or write without the permission that the endpoint names', async () => {
    const { bench, call } = await serve();
    const endpoints = memberEndpoints(bench.deps);
    expect(endpoints.length).toBeGreaterThan(20);
    for (const { method, path, access } of endpoints) {
      if (!('permission' in access)) throw new Error(`${method} ${path} names no permission`);
      const writes = method !== 'GET';
      expect(access.permission, `${method} ${path}`).toMatch(writes ? /\.manage$/ : /\.read$/);
      const others = permissions.filter((permission) => permission !== access.permission);
      const answer = await call(method, path.replaceAll(/\{\w+\}/g, newId()), undefined, others);
      expect(answer, `${method} ${path}`).toMatchObject({
        status: 403,
        body: { code: 'permissionMissing', permission: access.permission },
      });
    }
  });

  it('adds many members at once, each by itself, in order, and says what is wrong with which line', async () => {
    const { bench, call } = await serve();
    const items = [
      { name: 'Ada' },
      { name: '', email: 'nobody' },
      { name: 'Bob', number: 7 },
      { name: 'Eve', number: 7 },
      { name: 'Kid', dateOfBirth: '2999-01-01' },
      { name: 'Zed' },
    ];
    const { status, body } = await call('POST', '/api/members/bulk', { items });
    expect([status, body['succeeded'], body['failed']]).toEqual([200, 3, 3]);
    expect(body['results']).toMatchObject([
      { index: 0, status: 201, body: { name: 'Ada', number: 1001 } },
      {
        index: 1,
        status: 400,
        problem: {
          code: 'invalidRequest',
          errors: [{ pointer: '/body/items/1/name' }, { pointer: '/body/items/1/email' }],
        },
      },
      { index: 2, status: 201, body: { name: 'Bob', number: 7 } },
      { index: 3, status: 409, problem: { code: 'numberTaken', number: 7, title: expect.any(String) } },
      {
        index: 4,
        status: 422,
        problem: { code: 'dateInFuture', errors: [{ pointer: '/body/items/4/dateOfBirth' }] },
      },
      { index: 5, status: 201, body: { name: 'Zed', number: 1002 } },
    ]);
    expect((await call('GET', '/api/members?count=true')).body).toMatchObject({ total: 3 });
    expect(bench.announced.filter(({ topic }) => topic === 'member.changed')).toHaveLength(3);
  });

  it('takes a thousand lines, and no more', async () => {
    const { bench, call } = await serve();
    const items = Array.from({ length: 1000 }, (_, index) => ({ name: `Member ${index}` }));
    const { status, body } = await call('POST', '/api/members/bulk', { items });
    expect([status, body['succeeded'], body['failed']]).toEqual([200, 1000, 0]);
    const numbers = body['results'].map((result: { body: { number: number } }) => result.body.number);
    expect(numbers).toEqual(items.map((_, index) => 1001 + index));
    const rows = await bench.store.read.selectFrom('member').select('id').execute();
    expect(rows).toHaveLength(1000);
    expect(await call('POST', '/api/members/bulk', { items: [...items, { name: 'Late' }] })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/body/items' }] },
    });
    expect((await call('POST', '/api/members/bulk', { items: [] })).status).toBe(400);
  });

  it('shows the others when one stored row cannot be shown, and names it; also in a file', async () => {
    const { bench, call, csv, unreadableRows } = await serve();
    const plan = await call('POST', '/api/members/plans', { name: 'Standard', ...euro });
    const ids: string[] = [];
    for (const name of ['Ada', 'Grace', 'Mia']) {
      const { id } = (await call('POST', '/api/members', { name })).body;
      ids.push(id);
      await call('POST', `/api/members/${id}/memberships`, {
        planId: plan.body['id'],
        until: '2027-01-31T00:00:00Z',
      });
    }
    const until = '9999-12-31T23:59:59Z';
    const path = `/api/members/${ids[1]}/memberships`;
    expect(await call('POST', path, { planId: plan.body['id'], until })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/body/until' }] },
    });
    const memberships = (await call('GET', path)).body['items'];
    // As a change of another program may bring it.
    const write = (untilMs: number) =>
      bench.store.transact('test', (tx) => tx.write('membership', memberships[0].id, { until_ms: untilMs }));
    for (const untilMs of [Date.parse(until), 9e15]) {
      await write(untilMs);
      const list = await call('GET', '/api/members');
      expect(list.status).toBe(200);
      expect(list.body['items'].map((item: { id: string }) => item.id)).toEqual([ids[0], ids[2]]);
      expect(list.body['unreadable']).toEqual([{ id: ids[1], fields: ['admitsUntil'] }]);
      const [finding] = (await unreadableRows.part.findings?.()) ?? [];
      expect(finding).toMatchObject({ id: 'lists.unreadable', severity: 'warning' });
      expect(finding?.evidence).toContain(`/api/members: ${ids[1]} (admitsUntil)`);
      expect((await csv('/api/members')).split('\r\n')[2]).toContain('Grace');
    }
    await write(Date.parse('2027-01-31T00:00:00Z'));
    expect((await call('GET', '/api/members')).body['items']).toHaveLength(3);
    expect(await unreadableRows.part.findings?.()).toEqual([]);
  });

  it('refuses the lines that are not UTF-8, at the field, and takes the others', async () => {
    const { origin } = await serve();
    const list = [
      Buffer.from('{"items":[{"name":"Ada"},{"name":"M'),
      Buffer.from([0xfc]),
      Buffer.from('ller"},{"name":"Weiß"}]}'),
    ];
    const response = await fetch(`${origin}/api/members/bulk`, {
      method: 'POST',
      headers: { 'x-permissions': 'member.manage', 'content-type': 'application/json' },
      body: Buffer.concat(list),
    });
    expect(await response.json()).toMatchObject({
      succeeded: 2,
      failed: 1,
      results: [
        { status: 201, body: { name: 'Ada' } },
        {
          status: 400,
          problem: { errors: [{ pointer: '/body/items/1/name', message: 'is not encoded as UTF-8' }] },
        },
        { status: 201, body: { name: 'Weiß' } },
      ],
    });
  });

  it('gives all plans as CSV, more than one read gives, in the order of the list', async () => {
    const { bench, csv } = await serve();
    await addPlan(bench, { name: 'Night owl, "late"', description: '=1+1', active: false });
    for (let made = 0; made < 250; made += 1) await addPlan(bench, { name: `Plan ${made}` });
    for (const sort of ['name', '-updatedAt']) {
      const lines = (await csv(`/api/members/plans?sort=${sort}`)).trimEnd().split('\r\n');
      expect(lines[0]).toBe(
        'id,name,description,priceMinor,currency,interval,graceDays,overdueDays,active,createdAt,updatedAt,version',
      );
      expect(new Set(lines).size).toBe(252);
      const row = `,"Night owl, ""late""",'=1+1,2500,EUR,month,7,30,false,`;
      expect(lines.findIndex((line) => line.includes(row))).toBe(sort === 'name' ? 1 : 251);
    }
    expect((await csv('/api/members/plans?active=false')).trimEnd().split('\r\n')).toHaveLength(2);
  });

  it('gives everybody who fits as CSV, in the order that was asked for', async () => {
    const { call, csv } = await serve();
    const items = Array.from({ length: 450 }, (_, index) => ({ name: `Member ${index}`, email: null }));
    await call('POST', '/api/members/bulk', { items: [...items, { name: '=HYPERLINK("x")' }] });
    const lines = (await csv('/api/members?sort=-number')).trimEnd().split('\r\n');
    expect(lines[0]?.split(',').slice(0, 5)).toEqual(['id', 'number', 'name', 'email', 'status']);
    expect(lines).toHaveLength(452);
    expect(lines[1]).toContain(`1451,"'=HYPERLINK(""x"")",,active`);
    expect(lines.at(-1)).toContain('1001,Member 0,,active');
    const found = (await csv('/api/members?q=member%2044')).trimEnd().split('\r\n');
    expect(found).toHaveLength(1 + 11);
  });

  it('gives what is written about a member as CSV, as a spreadsheet takes it', async () => {
    const { call, csv } = await serve();
    const profile = {
      phone: '(+49) 30 12345',
      dateOfBirth: '2010-05-17',
      guardian: 'Ada Maker; +49 30 54321',
      waiverVersion: '2026-01',
      waiverDate: '2026-03-02',
      locale: 'de-DE',
    };
    await call('POST', '/api/members', { name: 'Mia Maker', ...profile, notes: 'for the page alone' });
    const [header, mia] = (await csv('/api/members?delimiter=semicolon&bom=true')).trimEnd().split('\r\n');
    expect(header).toMatch(
      /;version;phone;dateOfBirth;guardian;waiverVersion;waiverDate;locale;extendedAccess$/,
    );
    expect(mia).toMatch(
      /;'\+49 30 12345;2010-05-17;"Ada Maker; \+49 30 54321";2026-01;2026-03-02;de-DE;false$/,
    );
    expect(mia).not.toContain('for the page alone');
    // Whoever may not see members gets no file of them.
    expect((await call('GET', '/api/members', undefined, ['plan.read'])).status).toBe(403);
  });

  it('hints at people who are added twice, by one or by many', async () => {
    const { call } = await serve();
    const mia = { name: 'Mia Maker', email: 'mia@example.org', dateOfBirth: '1994-05-17' };
    const first = await call('POST', '/api/members', mia);
    expect(first).toMatchObject({ status: 201, body: { similar: [] } });
    const of = (sameBy: string) => [{ id: first.body['id'], number: 1001, name: 'Mia Maker', sameBy }];
    const items = [
      { name: 'M. Maker', email: ' MIA@example.org' },
      { name: 'MIÁ MAKER' },
      { name: 'Mia Maker', dateOfBirth: '2001-01-01' },
      { name: 'Mia Makers' },
    ];
    const added = await call('POST', '/api/members/bulk', { items });
    const [byMail, byName, otherDay, otherName] = added.body['results'].map(
      (line: { body: { similar: unknown } }) => line.body.similar,
    );
    expect(byMail).toEqual(of('email'));
    expect(byName).toEqual(of('name'));
    // The one without a day of birth may be either of them.
    expect(otherDay).toEqual([expect.objectContaining({ name: 'MIÁ MAKER', sameBy: 'name' })]);
    expect(otherName).toEqual([]);
    const again = await call('POST', '/api/members', mia);
    expect(again.body['similar']).toHaveLength(3);
    const read = await call('GET', `/api/members/${again.body['id']}`);
    expect(read.body).not.toHaveProperty('similar');
  });
});
