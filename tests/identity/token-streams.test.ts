import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '#hub/compose.ts';
import { type Answer, callAsProgram, callOnSocket, owner } from './hub.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mc-ts-'));
const services = '/api/access-control/service-accounts';
let hub: Hub;
let baseUrl: string;
let accountId: string;

const onBox = async (method: string, address: string, body?: unknown): Promise<Answer> => {
  const answer = await callOnSocket(path.join(folder, 'hub/hub.sock'), method, address, body);
  if (answer.status >= 300) throw new Error(`${method} ${address}: ${JSON.stringify(answer.body)}`);
  return answer;
};

beforeAll(async () => {
  hub = await startHub({
    env: {
      MAKRCAVE_STATE_DIR: folder,
      MAKRCAVE_HTTP_PORT: '0',
      MAKRCAVE_HTTP_HTTPS_PORT: '0',
      MAKRCAVE_LOG_LEVEL: 'silent',
    },
    listen: 'all',
  });
  baseUrl = `http://localhost:${hub.httpPort}`;
  const { body: fresh } = await onBox('POST', '/api/system/claim-code', {});
  const claim = { ...owner, code: fresh.code };
  const claimed = await callAsProgram(baseUrl, null, 'POST', '/api/system/claim', claim);
  accountId = claimed.body.account.id;
});
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An open stream of live events; `text` so far, and `over` once the hub has ended it. */
async function openStream(token: string): Promise<{ text: string; over: Promise<string> }> {
  const response = await fetch(`${baseUrl}/api/events`, { headers: { Authorization: `Bearer ${token}` } });
  expect(response.status).toBe(200);
  const stream = { text: '', over: Promise.resolve('') };
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) stream.text += decoder.decode(chunk, { stream: true });
    return stream.text;
  };
  stream.over = read();
  await expect.poll(() => stream.text, { timeout: 20_000 }).toContain('event: hello');
  return stream;
}

async function logIn(): Promise<{ accessToken: string; refreshToken: string }> {
  const { username, password } = owner;
  return (await callAsProgram(baseUrl, null, 'POST', '/auth/login', { username, password })).body;
}

async function addToken(): Promise<{ token: string; service: string; id: string }> {
  const scopes = ['member.read'];
  const name = `Board ${Math.random()}`;
  const { body } = await onBox('POST', services, { name, purpose: 'Shows', scopes, ownerId: accountId });
  const { body: fresh } = await onBox('POST', `${services}/${body.id}/tokens`, { name: 'one' });
  return { token: fresh.token, service: body.id, id: fresh.accessToken.id };
}

describe('the live events of a program', () => {
  it('reach a service account as far as its scopes go', async () => {
    const { token, service } = await addToken();
    const stream = await openStream(token);
    await onBox('POST', '/api/members', { name: 'Mia Maker' });
    await expect.poll(() => stream.text, { timeout: 20_000 }).toContain('member.changed');
    await onBox('POST', `${services}/${service}/disable`);
    expect(await stream.over).toContain('event: signedOut');
  });

  it.each<[string, (open: { pair: { accessToken: string; refreshToken: string } }) => Promise<unknown>]>([
    ['signed out', ({ pair }) => callAsProgram(baseUrl, pair.accessToken, 'POST', '/auth/logout')],
    [
      'revoked by an administrator',
      async ({ pair }) => {
        const { body } = await callAsProgram(baseUrl, pair.accessToken, 'GET', '/auth/sessions');
        const current = body.items.find((item: { current: boolean }) => item.current);
        await onBox('DELETE', `/api/access-control/sessions/${current.id}`);
      },
    ],
    [
      'given away by a token that is used twice',
      async ({ pair }) => {
        const refresh = (refreshToken: string) =>
          callAsProgram(baseUrl, null, 'POST', '/auth/refresh', { refreshToken });
        const { body: second } = await refresh(pair.refreshToken);
        await refresh(second.refreshToken);
        expect((await refresh(pair.refreshToken)).body.code).toBe('refreshTokenReused');
      },
    ],
  ])('end at once when its session is %s', async (_how, end) => {
    const pair = await logIn();
    const stream = await openStream(pair.accessToken);
    await end({ pair });
    expect(await stream.over).toContain('event: signedOut');
  });

  it.each([
    ['revoked', 'DELETE', ''],
    ['rotated', 'POST', '/rotate'],
  ])('end at once when its token is %s', async (how, method, suffix) => {
    const { token, service, id } = await addToken();
    const stream = await openStream(token);
    await onBox(method, `${services}/${service}/tokens/${id}${suffix}`, how === 'rotated' ? {} : undefined);
    expect(await stream.over).toContain('event: signedOut');
  });
});
