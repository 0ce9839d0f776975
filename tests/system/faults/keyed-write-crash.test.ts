import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';

interface Answer {
  readonly status: number;
  readonly isReplay: boolean;
  readonly text: string;
}
/** A member to be added once, under a key that is also the name; with the answer to the first try if one came. */
interface Wish {
  readonly key: string;
  readonly first: Promise<Answer | null>;
}
interface Member {
  readonly id: string;
  readonly name: string;
}

describe('a write with an Idempotency-Key, when the hub is killed', () => {
  let appliance: Appliance;
  let accessToken: string;
  let wished = 0;

  beforeAll(async () => {
    appliance = await Appliance.create();
    await appliance.start('hub');
    const { password } = await appliance.furnish();
    const answer = await fetch(`${appliance.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'olga', password }),
    });
    ({ accessToken } = (await answer.json()) as { accessToken: string });
  }, 60_000);
  afterAll(() => appliance.close());

  /** On a connection of its own: one that a killed hub has left behind would be no answer of the next hub. */
  const post = (key: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${accessToken}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      };
      const call = request(
        `${appliance.url}/api/members`,
        { method: 'POST', headers, agent: false },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (piece: string) => {
            text += piece;
          });
          response.once('error', reject);
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              isReplay: response.headers['idempotency-replayed'] === 'true',
              text,
            }),
          );
        },
      );
      call.once('error', reject);
      call.end(JSON.stringify({ name: key }));
    });
  const wish = (): Wish => {
    wished += 1;
    const key = `Wish-${wished}`;
    return { key, first: post(key).catch(() => null) };
  };
  const restart = async (): Promise<void> => {
    await appliance.stop('hub', 'SIGKILL');
    await appliance.start('hub');
  };
  const membersNamed = async (name: string): Promise<readonly Member[]> => {
    const { items } = await appliance.ask('GET', '/api/members?limit=200');
    return (items as Member[]).filter((member) => member.name === name);
  };

  /** What the next hub says to the same request, in a word, after it was checked against the members that there are. */
  async function repeat({ key, first }: Wish): Promise<'replayed' | 'unknown' | 'done now'> {
    const before = await first;
    const again = await post(key);
    const members = await membersNamed(key);
    expect(members.length, `members by ${key}`).toBeLessThanOrEqual(1);
    if (before !== null) expect([before.status, again]).toEqual([201, { ...before, isReplay: true }]);
    if (again.status === 201) expect(members.map(({ id }) => id)).toEqual([JSON.parse(again.text).id]);
    else expect([again.status, JSON.parse(again.text).code]).toEqual([409, 'idempotencyOutcomeUnknown']);
    // However often it is asked from here on, the answer stays and nothing happens.
    const last = await post(key);
    expect([last.status, last.isReplay]).toEqual([again.status, again.status === 201]);
    if (again.status === 201) expect(last.text).toBe(again.text);
    expect(await membersNamed(key)).toEqual(members);
    if (again.status === 409) return 'unknown';
    return again.isReplay ? 'replayed' : 'done now';
  }

  it('right after its answer, has that answer for every repetition', async () => {
    for (let kill = 0; kill < 3; kill += 1) {
      const one = wish();
      expect(await one.first).toMatchObject({ status: 201, isReplay: false });
      await restart();
      expect(await repeat(one)).toBe('replayed');
    }
  }, 90_000);

  it('at any moment before it, is done at most once, and nobody is told what the hub does not know', async () => {
    const said = { replayed: 0, unknown: 0, 'done now': 0 };
    for (let kill = 0; kill < 7; kill += 1) {
      // Several at once, and the kill with the first answer or at a moment left to chance: each has come to another point.
      const wishes = Array.from({ length: 6 }, wish);
      await (kill % 2 === 0 ? Promise.race(wishes.map(({ first }) => first)) : delay(Math.random() * 30));
      await restart();
      for (const one of wishes) said[await repeat(one)] += 1;
    }
    expect(said.replayed + said.unknown + said['done now']).toBe(42);
    // Those whose answer was waited for at least.
    expect(said.replayed).toBeGreaterThanOrEqual(4);
  }, 180_000);
});
