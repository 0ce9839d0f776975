import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { demoUsername, fillDemo } from '#hub/demo/fill.ts';
import { createLog } from '#hub/platform/log.ts';
import { Appliance } from '#tests/_support/appliance.ts';

const password = 'nine lathes hum in Kreuzberg';

export interface DemoSite {
  readonly appliance: Appliance;
  /** What a signed-in page of the hub sends along; the hub runs from then on. */
  signIn(): Promise<Readonly<Record<string, string>>>;
}

/** The demo in a state directory of its own, with a hub that is not started yet. The limits stay on; the bench is above them. */
export async function makeDemoSite(size: {
  readonly members: number;
  readonly events: number;
}): Promise<DemoSite> {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
  await fillDemo({
    stateDir,
    seed: 1,
    size,
    endMs: Date.now(),
    password,
    log: createLog({ level: 'error' }),
  });
  const appliance = await Appliance.create({
    stateDir,
    env: { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' },
  });
  return {
    appliance,
    async signIn() {
      const answer = await fetch(`${appliance.url}/auth/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: appliance.url },
        body: JSON.stringify({ username: demoUsername, password }),
      });
      if (answer.status !== 201) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
      const { csrfToken } = (await answer.json()) as { csrfToken: string };
      return {
        cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '',
        'x-csrf-token': csrfToken,
        origin: appliance.url,
        host: `localhost:${appliance.httpPort}`,
        'content-type': 'application/json',
      };
    },
  };
}

/** Evenly from all of `items`. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = items.length / count;
  return Array.from({ length: count }, (_, index) => items[Math.floor(index * step)]!);
}

/** Ids of so many members, from all parts of the list. */
export async function memberIdsOf(appliance: Appliance, count: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: unknown;
  do {
    const query = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await appliance.ask('GET', `/api/members?limit=200${query}`);
    ids.push(...(page.items as { id: string }[]).map(({ id }) => id));
    cursor = page.nextCursor;
  } while (typeof cursor === 'string');
  return spread(ids, count);
}

/** The first fifty pages of fifty members. */
export async function memberPagesOf(appliance: Appliance): Promise<string[]> {
  const pages: string[] = [];
  let cursor = '';
  while (pages.length < 50) {
    const address = `/api/members?limit=50${cursor}`;
    pages.push(address);
    const { nextCursor } = await appliance.ask('GET', address);
    if (typeof nextCursor !== 'string') break;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return pages;
}
