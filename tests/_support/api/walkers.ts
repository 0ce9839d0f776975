import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { permissions } from '#tests/_support/open-domains.ts';
import type { Appliance } from '../appliance.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
/** Somebody who asks: how the request comes in, and what it carries. */
export interface Walker {
  readonly socketPath?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly permissions: ReadonlySet<string>;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
/** More than any answer of the tests' hub. */
const maxAnswerBytes = 16 * 1024 * 1024;

const isCut = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['EPIPE', 'ECONNRESET'].includes(String(error.code));

/** `sendOnce`; again where the hub refused a large body and closed while it was still being written. */
export async function sendAs(...[walker, port, asked]: Parameters<typeof sendOnce>): Promise<ApiAnswer> {
  for (let tries = 1; ; tries += 1)
    try {
      return await sendOnce(walker, port, asked);
    } catch (error) {
      if (!isCut(error) || (asked.body?.length ?? 0) < 65_536 || tries === 20) throw error;
    }
}

/** One request as it is written, paths and headers untidied. A stream is left after its first event. */
function sendOnce(
  walker: Walker,
  port: number,
  asked: {
    readonly method: string;
    readonly address: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | undefined;
  },
): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const place =
    walker.socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath: walker.socketPath };
  const sent = request(
    {
      ...place,
      agent,
      method: asked.method,
      path: asked.address,
      headers: {
        Host: `localhost:${port}`,
        ...asked.headers,
        ...walker.headers,
        ...(asked.body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(asked.body)) }),
      },
    },
    (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
        if (!isStream && bytes <= maxAnswerBytes) return;
        done();
        response.destroy();
      });
      response.on('end', done);
      response.on('error', reject);
    },
  );
  sent.on('error', reject);
  sent.end(asked.body);
  return promise;
}

/** What tells of people; who has none of these learns nothing of them. */
const tellingOfPeople = [
  'account.read',
  'account.manage',
  'role.manage',
  'serviceAccount.read',
  'serviceAccount.manage',
  'audit.read',
  'member.read',
  'member.manage',
  'credential.read',
  'credential.manage',
  'accessEvent.read',
  'alarm.read',
  'bridge.read',
  'webhook.read',
  'webhook.manage',
] as const;
/** What would change the hub under the walkers' feet; the owner and the command line have it. */
const changingTheHub = ['system.manage', 'bridge.manage'] as const;

const withoutPeople = permissions.filter(
  (permission) => ![...tellingOfPeople, ...changingTheHub].some((other) => other === permission),
);

/** Personal data of one member and their account, and with which permissions it may be told. */
export const canaries: readonly { readonly text: string; readonly allowed: readonly string[] }[] = [
  ...['canary-email@example.org', '+49 30 99887766', 'Canary Guardian', 'Canary notes', 'Canary hold'].map(
    (text) => ({ text, allowed: ['member.read', 'member.manage', 'audit.read'] }),
  ),
  {
    text: 'Canary Name',
    allowed: [
      'member.read',
      'member.manage',
      'audit.read',
      'credential.read',
      'credential.manage',
      'accessEvent.read',
      'alarm.read',
      'bridge.read',
    ],
  },
  {
    text: 'Canary fob',
    allowed: ['credential.read', 'credential.manage', 'accessEvent.read', 'bridge.read', 'audit.read'],
  },
  { text: '231:31592', allowed: ['credential.read', 'credential.manage'] },
  {
    text: 'canary-login',
    allowed: ['account.read', 'account.manage', 'audit.read', 'role.manage', 'serviceAccount.read'],
  },
];

const passwordOf = (name: string): string => `turning ${name} into chips`;

async function makeAccount(
  appliance: Appliance,
  name: string,
  granted: readonly string[] | 'super_admin',
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const username = `walker-${name}`;
  const account = await appliance.ask('POST', '/api/accounts', {
    username,
    displayName: username,
    password: passwordOf(name),
    ...more,
  });
  const { items } = await appliance.ask('GET', '/api/access-control/roles?limit=200');
  const role =
    granted === 'super_admin'
      ? (items as { id: string; name: string }[]).find((one) => one.name === granted)
      : await appliance.ask('POST', '/api/access-control/roles', { name: username, permissions: granted });
  await appliance.ask('POST', `/api/access-control/roles/${String(role?.id)}/assign`, {
    accountId: account.id,
  });
}

async function signIn(appliance: Appliance, name: string, granted: Iterable<string>): Promise<Walker> {
  const page = { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'same-origin' };
  const body = JSON.stringify({ username: `walker-${name}`, password: passwordOf(name) });
  const asked = { method: 'POST', address: '/auth/session', headers: page, body };
  const answer = await sendAs({ headers: {}, permissions: new Set() }, appliance.httpPort, asked);
  if (answer.status !== 201) throw new Error(`${name} cannot sign in: ${answer.text}`);
  const { csrfToken } = JSON.parse(answer.text) as { csrfToken: string };
  const cookie = answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  return {
    headers: { Cookie: cookie, 'X-CSRF-Token': csrfToken, 'Sec-Fetch-Site': 'same-origin' },
    permissions: new Set(granted),
  };
}

async function makeBearer(appliance: Appliance, name: string, granted: Iterable<string>): Promise<Walker> {
  const { accessToken } = await appliance.ask('POST', '/auth/login', {
    username: `walker-${name}`,
    password: passwordOf(name),
  });
  return { headers: { Authorization: `Bearer ${String(accessToken)}` }, permissions: new Set(granted) };
}

/** A member with personal data that nobody may learn by the way, with an account, a hold, a card and a tap. */
async function makeCanary(appliance: Appliance): Promise<void> {
  const member = await appliance.ask('POST', '/api/members', {
    name: 'Canary Name',
    email: 'canary-email@example.org',
    phone: '+49 30 99887766',
    guardian: 'Canary Guardian',
    notes: 'Canary notes',
  });
  await appliance.ask('POST', `/api/members/${String(member.id)}/holds`, { reason: 'Canary hold' });
  await appliance.ask('POST', '/api/access-control/credentials', {
    memberId: member.id,
    card: '231:31592',
    label: 'Canary fob',
  });
  await appliance.ask('POST', '/api/accounts', {
    username: 'canary-login',
    displayName: 'canary-login',
    password: 'four yellow owls past midnight',
    memberId: member.id,
  });
  await appliance.untilApplied();
  await appliance.tap('231:31592');
}

/** Everybody who asks, by name, with the data that they must not see. */
export async function makeWalkers(appliance: Appliance): Promise<Record<string, Walker>> {
  await makeCanary(appliance);
  const other = await appliance.ask('POST', '/api/members', { name: 'Ordinary Otto' });
  await appliance.ask('POST', '/api/access-control/bridges', { name: 'Spare controller' });
  const eventsOnly = ['accessEvent.read', 'portal.read'];
  await makeAccount(appliance, 'owner', 'super_admin');
  await makeAccount(appliance, 'leaver', 'super_admin');
  await makeAccount(appliance, 'guest', [], { memberId: other.id });
  await makeAccount(appliance, 'things', withoutPeople);
  await makeAccount(appliance, 'program', withoutPeople);
  await makeAccount(appliance, 'events', eventsOnly);
  const owner = await signIn(appliance, 'owner', permissions);
  return {
    console: { socketPath: appliance.controlSocket, headers: {}, permissions: new Set(permissions) },
    owner,
    leaver: await signIn(appliance, 'leaver', permissions),
    guest: await signIn(appliance, 'guest', []),
    things: await signIn(appliance, 'things', withoutPeople),
    events: await signIn(appliance, 'events', eventsOnly),
    program: await makeBearer(appliance, 'program', withoutPeople),
    nobody: { headers: {}, permissions: new Set() },
    elsewhere: {
      headers: { ...owner.headers, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
      permissions: new Set(permissions),
    },
    forged: { headers: { Authorization: 'Bearer a.b.c' }, permissions: new Set() },
  };
}
