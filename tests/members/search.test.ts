import { describe, expect, it, onTestFinished } from 'vitest';
import { memberListQuerySchema } from '#hub/domains/members/member/schema.ts';
import { searchMembers } from '#hub/domains/members/search/listing.ts';
import { nameStatement, searchStatement } from '#hub/domains/members/search/repository.ts';
import { type MemberFilter, memberWords, searchTerms } from '#hub/domains/members/search/rules.ts';
import { indexPhones } from '#hub/domains/members/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { type Connection, openConnection } from '#hub/store/sqlite/open.ts';
import type { Store } from '#hub/store/store.ts';
import { accepted, addMember, openBench, refused, startMs } from './support.ts';

const given = ['Ada', 'Bob', 'Chloé', 'Dörte', 'Émile', 'Franz', 'Zoë', 'Łukasz', 'Mary-Ann', 'Nils'];
const family = ['Müller', 'Lovelace', 'Groß', 'O’Brien', 'Ångström', 'Nowak', 'García', 'Smith', 'van Dijk'];

const rowAt = (index: number) => ({
  number: 1001 + index,
  name: `${given[index % given.length]} ${family[index % family.length]} ${index.toString(36)}`,
  email: index % 3 === 0 ? `person${index}@example.org` : null,
  phone: index % 2 === 0 ? `+49 30 23125 ${String(index).padStart(5, '0')}` : null,
  status: index % 50 === 0 ? ('suspended' as const) : ('active' as const),
});

/** Members in large transactions, past the workflow but through the seam. */
async function addMany(store: Store, count: number): Promise<void> {
  const perTransaction = 1000;
  for (let start = 0; start < count; start += perTransaction)
    await store.transact('test', async (tx) => {
      for (let index = start; index < Math.min(count, start + perTransaction); index += 1) {
        const row = rowAt(index);
        await tx.insert('member', {
          id: newId(),
          ...row,
          locale: null,
          date_of_birth: null,
          guardian: null,
          notes: null,
          waiver_version: null,
          waiver_date: null,
          extended_access: 0,
          status_reason: null,
          status_since_ms: tx.nowMs,
        });
        const words = [...memberWords({ ...row, planIds: [], groupIds: [] })];
        await tx.local
          .insertInto('member_word')
          .values(words.map((word) => ({ word, member_number: row.number })))
          .execute();
      }
    });
}

const ask = (store: Store, query: Record<string, unknown>) =>
  searchMembers(store, memberListQuerySchema.parse(query), startMs);

async function readAll(store: Store, filter: MemberFilter & { readonly sort?: string }, limit: number) {
  const found: { name: string; number: number }[] = [];
  let cursor: string | undefined;
  do {
    const page = accepted(await ask(store, { ...filter, limit, cursor }));
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

describe('a sort of 10,000 members', () => {
  it('has everybody who fits exactly once, page by page, both ways, with their number', async () => {
    const { store } = await openBench();
    await addMany(store, 10_000);
    const all = Array.from({ length: 10_000 }, (_, index) => rowAt(index));
    const numbersBy = (rows: typeof all) => rows.map((row) => row.number);
    const few = all.filter((row) => row.name.startsWith('Ada') && row.name.includes('Groß'));
    const many = all.filter((row) => row.status === 'suspended');
    const read = async (query: MemberFilter & { readonly sort: string }, limit: number) =>
      (await readAll(store, query, limit)).map((row) => row.number);

    for (const sort of ['number', 'createdAt', 'updatedAt']) {
      expect(await read({ sort, q: 'gros ada' }, 7)).toEqual(numbersBy(few));
      expect(await read({ sort: `-${sort}`, q: 'gros ada' }, 7)).toEqual(numbersBy(few).reverse());
      expect(await read({ sort: `-${sort}`, status: 'suspended' }, 200)).toEqual(numbersBy(many).reverse());
    }
    const named = await read({ sort: 'name', status: 'suspended' }, 200);
    expect(named).toEqual((await readAll(store, { status: 'suspended' }, 200)).map((row) => row.number));
    expect(await read({ sort: '-name', status: 'suspended' }, 200)).toEqual([...named].reverse());
    expect(await read({ sort: 'name', q: 'gros ada' }, 7)).toHaveLength(few.length);
    expect(accepted(await ask(store, { q: 'gros ada', count: 'true', limit: 1 }))).toMatchObject({
      total: few.length,
    });
    expect(accepted(await ask(store, { count: 'true', limit: 1 })).total).toBe(10_000);

    const first = accepted(await ask(store, { sort: 'number', limit: 1 }));
    for (const other of [{ sort: '-number' }, { sort: 'number', status: 'active' }, {}])
      expect(refused(await ask(store, { ...other, cursor: first.nextCursor }))).toMatchObject({
        code: 'cursorInvalid',
      });
  });
});

describe('phone numbers', () => {
  it('are searched in a store of a release that did not, once it has been looked through', async () => {
    const { store } = await openBench();
    await addMany(store, 500);
    await store.transact('test', async (tx) => {
      await tx.local.deleteFrom('member_word').where('word', 'like', 't:%').execute();
    });
    const find = async (q: string) => (await readAll(store, { q }, 200)).map((row) => row.number);
    expect(await find('030 23125 0024')).toEqual([]);
    // Another release may have begun with it.
    await indexPhones(store);
    await indexPhones(store);
    expect(await find('030 23125 0024')).toEqual([1241, 1243, 1245, 1247, 1249]);
    expect(await find('+49 (0)30 23125 00240')).toEqual([1241]);
    expect(await find('23125 00240')).toEqual([1241]);
  });
});

describe('search among 10,000 members', () => {
  it('finds everybody who fits exactly once, page by page, and reads the index only', async () => {
    const { store, location } = await openBench();
    await addMany(store, 10_000);
    const everybody = Array.from({ length: 10_000 }, (_, index) => rowAt(index));

    const numbers = (rows: readonly { number: number }[]) =>
      rows.map((row) => row.number).sort((left, right) => left - right);
    const mullers = everybody.filter((row) => row.name.includes('Müller'));
    expect(numbers(await readAll(store, { q: 'mueller' }, 200))).toEqual(numbers(mullers));
    const suspended = everybody.filter((row) => row.status === 'suspended');
    expect(numbers(await readAll(store, { status: 'suspended' }, 7))).toEqual(numbers(suspended));
    const both = suspended.filter((row) => row.name.startsWith('Ada') && row.name.includes('Groß'));
    expect(both.length).toBeGreaterThan(0);
    expect(numbers(await readAll(store, { q: 'gros ada', status: 'suspended' }, 3))).toEqual(numbers(both));
    expect(await readAll(store, { q: 'person9999@' }, 50)).toMatchObject([{ number: 11_000 }]);

    const first = accepted(await ask(store, {}));
    expect(first.items).toHaveLength(50);
    expect(first.items.every((item) => item.name.startsWith('Ada'))).toBe(true);

    const connection = openConnection(location, { mode: 'read', cacheKib: 1000 });
    onTestFinished(() => void connection.close());
    for (const filter of [{ q: 'a' }, { q: 'ada mull' }, { status: 'active', q: 'zoe' }, {}] as const) {
      const [driver, ...others] = searchTerms(filter)!;
      for (const after of [null, { word: driver!.from, memberNumber: 2000 }]) {
        const statement = searchStatement(store.read, driver!, others, { after, limit: 51 }).compile();
        const plan = explain(connection, statement.sql, statement.parameters);
        // A page far down the list begins at its place, not at the top.
        const from = after === null ? 'word>? AND word<?' : '(word,member_number)>(?,?) AND word<?';
        expect(plan[0]).toBe(`SEARCH hit USING PRIMARY KEY (${from})`);
        for (const step of plan.slice(1))
          expect(step).toMatch(
            /^(CORRELATED SCALAR SUBQUERY \d+|SEARCH \w+ (EXISTS )?USING COVERING INDEX member_word_by_member \(member_number=\? AND word>\? AND word<\?\))$/,
          );
      }
    }
    for (const [sort, from] of [
      ['name', '(word,member_number)>(?,?) AND word<?'],
      ['-name', 'word>? AND (word,member_number)<(?,?)'],
    ] as const) {
      const search = { sort, terms: [], within: null, after: ['a:mia', 2000], limit: 51 };
      const { sql, parameters } = nameStatement(store.read, search).compile();
      expect(explain(connection, sql, parameters)).toEqual([`SEARCH hit USING PRIMARY KEY (${from})`]);
    }
  });
});

/** The steps in which SQLite answers a statement. */
function explain(connection: Connection, text: string, parameters: readonly unknown[]): string[] {
  const steps = connection.prepare<unknown[], { detail: string }>(`explain query plan ${text}`);
  return steps.all(...parameters).map((step) => step.detail);
}

describe('a list of members', () => {
  it('is in the order of names, without regard to case and accents', async () => {
    const bench = await openBench();
    for (const name of ['zoe', 'Émile', 'Zoë Adler', 'emil', 'Ada', 'Ängström'])
      await addMember(bench, { name });
    const listed = await readAll(bench.store, {}, 2);
    expect(listed.map((item) => item.name)).toEqual(['Ada', 'Ängström', 'emil', 'Émile', 'zoe', 'Zoë Adler']);
  });

  it('of a search begins with the exact hits', async () => {
    const bench = await openBench();
    for (const name of ['Annabel Lee', 'Anna Karenina', 'Joanna Ann']) await addMember(bench, { name });
    const found = await readAll(bench.store, { q: 'ann' }, 50);
    expect(found.map((item) => item.name)).toEqual(['Joanna Ann', 'Anna Karenina', 'Annabel Lee']);
  });

  it('names a member once whose words fit more than once', async () => {
    const bench = await openBench();
    await addMember(bench, { name: 'Anna Anne-Annika', email: 'anna@example.org' });
    expect(await readAll(bench.store, { q: 'an' }, 1)).toHaveLength(1);
  });

  it('is empty for a text without letters or digits', async () => {
    const bench = await openBench();
    await addMember(bench);
    expect(await readAll(bench.store, { q: '%_*"' }, 50)).toEqual([]);
  });

  it.each([
    'nonsense',
    Buffer.from('[0]').toString('base64url'),
    Buffer.from('[9,"a:x",1]').toString('base64url'),
    Buffer.from('[0,"s:active:",1]').toString('base64url'),
  ])('refuses a cursor that is not one of its own: %j', async (cursor) => {
    const bench = await openBench();
    await addMember(bench);
    const page = await ask(bench.store, { q: 'ada', cursor });
    expect(refused(page)).toMatchObject({ code: 'cursorInvalid' });
  });
});
