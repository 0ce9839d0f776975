import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import type { Authenticator } from '#hub/http/endpoint/auth.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { CsvList } from '#hub/http/endpoint/endpoint.ts';
import { CsvAnswers, csvHolders } from '#hub/http/serving/csv-answer.ts';
import { ok } from '#hub/kernel/result.ts';
import { csvLines } from '#hub/platform/csv.ts';
import { ada, ask, logInto, serve } from './support.ts';

type Lines = CsvList<unknown>['lines'];

/** A hub with one list that is `lines` as CSV. */
/** Knows everybody by the name in place of a token. */
const byName: Authenticator = {
  authenticate: async ({ headers: { authorization } }) =>
    ok(authorization === undefined ? null : { ...ada, accountId: authorization.slice(7) }),
  recheck: async (principal) => principal,
};

async function serveList(lines: Lines) {
  const list = defineEndpoint({
    method: 'GET',
    path: '/api/tools',
    summary: 'Tools',
    tag: 'tools',
    access: { permission: 'member.read' },
    query: z.strictObject({
      kind: z.array(z.string()).optional(),
      limit: z.string().optional(),
      cursor: z.string().optional(),
    }),
    response: z.strictObject({ items: z.array(z.string()) }),
    refusals: [],
    csv: { fileName: 'tools', columns: ['name', 'note'], lines },
    handle: async ({ query }) => ok({ items: query.kind ?? [] }),
  });
  const { origin, lines: log } = await serve({ endpoints: [list], authenticator: byName });
  return {
    url: `${origin}/api/tools`,
    log,
    get: (accept: string, query = '', name = 'ada') =>
      fetch(`${origin}/api/tools${query}`, { headers: { authorization: `Bearer ${name}`, accept } }),
  };
}
const some: Lines = async function* (_call, delimiter) {
  yield csvLines([['Lathe', '=1+1']], delimiter);
  yield Buffer.from(csvLines([['Säge', null]], delimiter));
};

describe('a list as CSV', () => {
  it('has a header, all lines, a file name, and needs the same right', async () => {
    const { get, url } = await serveList(some);
    const answer = await get('text/csv');
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="tools.csv"');
    expect(answer.headers.get('vary')).toContain('Accept');
    expect(await answer.text()).toBe("name,note\r\nLathe,'=1+1\r\nSäge,\r\n");
    expect((await fetch(url, { headers: { accept: 'text/csv' } })).status).toBe(401);
    const head = await fetch(url, {
      method: 'HEAD',
      headers: { accept: 'text/csv', authorization: 'Bearer ada' },
    });
    expect([head.status, head.headers.get('content-type'), head.headers.get('content-length')]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
      null,
    ]);
  });

  it('is what the caller prefers, by the weights of the Accept header', async () => {
    const { get } = await serveList(some);
    const typeFor = async (accept: string) => (await get(accept)).headers.get('content-type')?.split(';')[0];
    expect(await typeFor('text/csv;q=0.5, application/json;q=0.4')).toBe('text/csv');
    expect(await typeFor('text/csv;q=0.4, application/json;q=0.5')).toBe('application/json');
    expect(await typeFor('text/*')).toBe('text/csv');
    expect(await typeFor('text/html, */*;q=0.1')).toBe('application/json');
    expect(await typeFor('text/csv;q=0, */*')).toBe('application/json');
  });

  it('is refused with 406 in any other type, before anything is done', async () => {
    const { get } = await serveList(some);
    const answer = await get('text/html, image/*');
    expect(answer.status).toBe(406);
    expect(await answer.json()).toMatchObject({
      code: 'notAcceptable',
      offered: ['application/json', 'text/csv'],
    });
  });

  it('comes as a spreadsheet takes it, on request: other separators, a byte order mark', async () => {
    const { get } = await serveList(async function* (_call, delimiter) {
      yield csvLines([['Säge, groß; "alt"', 'a;b']], delimiter);
    });
    const bytes = async (query: string) =>
      Buffer.from(await (await get('text/csv', query)).arrayBuffer()).toString('utf8');
    expect(await bytes('?kind=x')).toBe('name,note\r\n"Säge, groß; ""alt""",a;b\r\n');
    expect(await bytes('?delimiter=semicolon&bom=true&kind=x')).toBe(
      '\ufeffname;note\r\n"Säge, groß; ""alt""";"a;b"\r\n',
    );
    expect(await bytes('?delimiter=tab&bom=false')).toBe('name\tnote\r\n"Säge, groß; ""alt"""\ta;b\r\n');
    expect((await get('application/json', '?delimiter=semicolon&bom=false')).status).toBe(200);
    expect(await (await get('application/json', '?delimiter=%3B')).json()).toMatchObject({
      errors: [{ pointer: '/query/delimiter' }],
    });
    const wrong = await get('text/csv', '?delimiter=%3B&bom=1&limit=5');
    expect(await wrong.json()).toMatchObject({
      code: 'invalidRequest',
      errors: [{ pointer: '/query/delimiter' }, { pointer: '/query/bom' }, { pointer: '/query/limit' }],
    });
  });

  it('knows no pages', async () => {
    const { get } = await serveList(some);
    const answer = await get('text/csv', '?limit=5&cursor=x');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      errors: [{ pointer: '/query/limit' }, { pointer: '/query/cursor' }],
    });
  });

  it('breaks the connection off when it cannot go on, so that a part does not look whole', async () => {
    const { get, log } = await serveList(async function* () {
      yield csvLines([['Lathe', '']]);
      throw new Error('the disk went away');
    });
    await expect(get('text/csv').then((answer) => answer.text())).rejects.toThrow();
    await expect.poll(() => log.map((line) => line['msg'])).toContain('a CSV answer broke off');
  });

  it('is made only as fast as it is read, and no longer when the reader goes away', async () => {
    let made = 0;
    let ended = false;
    const piece = 'x'.repeat(64 * 1024 - 2);
    const { url } = await serveList(async function* () {
      try {
        for (; made < 20_000; made += 1) yield `${piece}\r\n`;
      } finally {
        ended = true;
      }
    });
    const sent = request(url, { agent: false, headers: { accept: 'text/csv', authorization: 'Bearer ada' } });
    sent.end();
    const { promise, resolve } = Promise.withResolvers<void>();
    sent.on('response', (response) => {
      response.once('readable', () => resolve());
    });
    sent.on('error', () => undefined);
    await promise;
    // Sockets and streams take some; then nothing more is made, however long the reader waits.
    let before = -1;
    await expect
      .poll(
        () => {
          const stands = before === made;
          before = made;
          return stands;
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(true);
    expect(made).toBeLessThan(400);
    sent.destroy();
    await expect.poll(() => ended).toBe(true);
    expect(made).toBeLessThan(400);
  });

  it('leaves time to others between its pieces while they are served', async () => {
    let answered = 0;
    const pauses: number[] = [];
    const answers = new CsvAnswers(
      logInto().log,
      () => answered,
      async (ms) => pauses.push(ms),
    );
    const asked: number[] = [];
    const lines: Lines = async function* () {
      for (let piece = 0; piece < 5; piece += 1) {
        asked.push(pauses.length);
        // One was answered during the second piece, and one during the third.
        if (piece === 1 || piece === 2) answered += 1;
        yield csvLines([['Lathe', piece]]);
      }
    };
    const list = { fileName: 'tools', columns: ['name', 'note'], lines };
    const context = { requestId: 'one', remoteAddress: '127.0.0.1', userAgent: '' };
    const call = { principal: null, params: {}, query: {}, body: {}, context };
    expect(await text(answers.stream(list, call, [])!)).toMatch(/^name,note\r\n(Lathe,\d\r\n){5}$/);
    expect(asked).toEqual([0, 0, 1, 2, 2]);
  });

  it('is refused when four others are under way, and can be had when one of them is done', async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const { url, get } = await serveList(async function* () {
      await release;
      yield csvLines([['Lathe', '']]);
    });
    const started = ['ada', 'ada', 'bea', 'cleo'].map((name) => get('text/csv', '', name));
    await Promise.all(started);
    const refused = await get('text/csv', '', 'dora');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    expect(await refused.json()).toMatchObject({ code: 'tooManyExports' });
    resolve();
    for (const answer of started) expect(await (await answer).text()).toBe('name,note\r\nLathe,\r\n');
    await expect.poll(async () => (await get('text/csv')).status).toBe(200);
    expect(url).toContain('/api/tools');
  });
});

describe('places for CSV files', () => {
  const context = { requestId: 'one', remoteAddress: '10.0.0.9', userAgent: '' };
  const call = { principal: null, params: {}, query: {}, body: {}, context };
  const endless: Lines = async function* () {
    for (;;) yield csvLines([['Lathe', '']]);
  };
  const list = { fileName: 'tools', columns: ['name', 'note'], lines: endless };
  const places = () => {
    const answers = new CsvAnswers(logInto().log, () => 0);
    return (accountId: string, remoteAddress: string) => {
      const stream = answers.stream(
        list,
        call,
        csvHolders({ ...ada, accountId }, { remoteAddress, transport: 'https' }),
      );
      if (stream !== null) onTestFinished(() => void stream.destroy());
      return stream;
    };
  };

  it('are two for an account and two for an address, so that nobody keeps all others from them', () => {
    const open = places();
    expect(open('ada', '10.0.0.9')).not.toBeNull();
    expect(open('ada', '10.0.0.8')).not.toBeNull();
    expect(open('ada', '10.0.0.7')).toBeNull();
    expect(open('bea', '10.0.0.9')).not.toBeNull();
    expect(open('cleo', '10.0.0.9')).toBeNull();
    expect(open('cleo', '10.0.0.7')).not.toBeNull();
  });

  it('are taken from who has read nothing for ten seconds when another finds none', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const open = places();
    const held = ['ada', 'bea', 'cleo', 'dora'].map((name, index) => open(name, `10.0.0.${index}`)!);
    for (const stream of held) {
      await once(stream, 'readable');
      stream.read();
      await once(stream, 'readable');
    }
    await vi.advanceTimersByTimeAsync(5000);
    for (const stream of held.slice(1)) {
      stream.read();
      await once(stream, 'readable');
    }
    await vi.advanceTimersByTimeAsync(4000);
    expect(open('emil', '10.0.0.7')).toBeNull();
    expect(held[0]?.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1500);
    expect(open('emil', '10.0.0.7')).toBeNull();
    expect(held.map((stream) => stream.destroyed)).toEqual([true, false, false, false]);
    await expect.poll(() => open('emil', '10.0.0.7')).not.toBeNull();
  });
});

describe('a parameter that may be given several times', () => {
  it('is a list, also when it is given once', async () => {
    const { get } = await serveList(some);
    expect(await (await get('application/json', '?kind=a')).json()).toEqual({ items: ['a'] });
    expect(await (await get('application/json', '?kind=a&kind=b')).json()).toEqual({ items: ['a', 'b'] });
  });
});

describe('CSV lines', () => {
  it('escape what a spreadsheet would calculate, and quote what needs it', () => {
    const cells = ['=1', '+1', '-1', '@x', '\tx', '\rx', '＝1', '＋1', '－1', '＠x'];
    expect(csvLines([cells])).toBe(
      cells
        .map((cell) => (cell.includes('\r') ? `"'${cell}"` : `'${cell}`))
        .join(',')
        .concat('\r\n'),
    );
    expect(csvLines([['a"b', 'a,b', 'a\nb', 'ünï', -1, true, null]])).toBe(
      '"a""b","a,b","a\nb",ünï,-1,true,\r\n',
    );
  });
});

describe('an endpoint without CSV', () => {
  it('answers 406 to who takes nothing else', async () => {
    const { origin } = await serve();
    const { port } = new URL(origin);
    const answer = await ask({ port, path: '/api/things', headers: { accept: 'text/csv' } });
    expect([answer.status, answer.json()]).toMatchObject([406, { offered: ['application/json'] }]);
  });
});
