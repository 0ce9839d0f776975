import { describe, expect, it, onTestFinished } from 'vitest';
import { pruneAllChanges } from '#hub/store/writing/change-retention.ts';
import { until } from '#tests/_support/until.ts';
import { accepted, refused, staff } from '#tests/access/support.ts';
import { useCentre } from '../hubs.ts';
import { openSyncBench, type SyncBench } from './support.ts';

const centre = useCentre();

async function open(): Promise<SyncBench> {
  const bench = await openSyncBench();
  onTestFinished(() => bench.sync.close());
  return bench;
}
const untilUpToDate = ({ sync }: SyncBench): Promise<boolean> =>
  until('both sides to be equal', async () => (await sync.status()).state === 'upToDate');
const nameThere = (site: string, { memberId }: SyncBench): Promise<unknown> =>
  centre().value('select name from makrcave.member where stream_id = $1 and id = $2', site, memberId);

describe('a hub is linked', () => {
  it('with its rows, also where its outbox was pruned before', async () => {
    const bench = await open();
    await pruneAllChanges(bench.store, { keepRows: 0, keepMs: 0 });
    const site = await centre().addSite();
    const { code } = await centre().invite(site);
    const status = accepted(await bench.sync.link(staff, { url: centre().url, code }));
    expect(status.link).toMatchObject({ siteId: site, siteName: 'Test', hubName: 'box' });
    expect(JSON.stringify(status)).not.toContain(new URL(centre().url).password);
    await untilUpToDate(bench);
    expect(await nameThere(site, bench)).toBe('Mia Maker');
    expect(refused(await bench.sync.link(staff, { url: centre().url, code })).code).toBe('alreadyLinked');
  });

  it('once more to the same space after it was unlinked, and sends what changed in between', async () => {
    const bench = await open();
    const site = await centre().addSite();
    accepted(await bench.sync.link(staff, { url: centre().url, code: (await centre().invite(site)).code }));
    await untilUpToDate(bench);
    accepted(await bench.sync.unlink(staff));
    expect((await bench.sync.status()).state).toBe('notLinked');
    await bench.store.transact('test', (tx) => tx.write('member', bench.memberId, { name: 'Mia Meanwhile' }));
    accepted(await bench.sync.link(staff, { url: centre().url, code: (await centre().invite(site)).code }));
    await untilUpToDate(bench);
    expect(await nameThere(site, bench)).toBe('Mia Meanwhile');
    const actions = await bench.store.read
      .selectFrom('audit_entry')
      .select('action')
      .where('action', 'like', 'sync.%')
      .orderBy('seq')
      .execute();
    expect(actions.map(({ action }) => action)).toEqual(['sync.link', 'sync.unlink', 'sync.link']);
  });

  it('to no space that has the rows of another', async () => {
    const one = await open();
    const other = await open();
    const site = await centre().addSite();
    accepted(await one.sync.link(staff, { url: centre().url, code: (await centre().invite(site)).code }));
    await untilUpToDate(one);
    const { code } = await centre().invite(site, 'another');
    expect(refused(await other.sync.link(staff, { url: centre().url, code })).code).toBe('siteHasData');
    // Nothing was used up, and nothing is linked.
    expect((await other.sync.status()).link).toBe(null);
    expect(await centre().value('select count(*) from sync.invitation where stream_id = $1', site)).toBe(1);
  });

  it('by no wrong code, no wrong address and to no centre that is away', async () => {
    const bench = await open();
    const { url } = centre();
    const link = async (request: { url: string; code: string }) =>
      refused(await bench.sync.link(staff, request));
    expect(await link({ url, code: 'AAAA-BBBB' })).toMatchObject({
      code: 'codeWrong',
      errors: [{ pointer: '/body/code' }],
    });
    expect(await link({ url: 'https://x', code: 'A' })).toMatchObject({
      code: 'centralAddressInvalid',
      errors: [{ pointer: '/body/url' }],
    });
    const away = await link({ url: url.replace(/:\d+\//, ':1/'), code: 'A' });
    expect(away.code).toBe('centralUnreachable');
    const strange = await link({ url: url.replace(/:[^:@]+@/, ':hunter2@'), code: 'A' });
    expect(strange.code).toBe('centralLoginFailed');
    expect(JSON.stringify(strange)).not.toContain('hunter2');
  });
});
