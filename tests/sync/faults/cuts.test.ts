import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assert } from '#hub/kernel/result.ts';
import { makeAuthority, makeServerCertificate } from '#hub/platform/tls/certificate.ts';
import { type CentralConnection, connectCentral } from '#hub/sync/central/connection.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { startWithTls } from '../centre/fixture.ts';
import { CentralSite, differences, eventRow, memberRow, Replica, settle } from '../replicas.ts';
import { CuttingProxy, type Direction } from './cutting-proxy.ts';

/** Cuts of a file's plain rounds, spread evenly; all of them in long runs. */
const cuts = Number(process.env['MAKRCAVE_SYNC_STEPS'] ?? 100);

describe.each(['without TLS', 'with TLS'] as const)('a round that is cut, %s,', (tls) => {
  let server: PostgresServer;
  let central: CentralSite;
  let proxy: CuttingProxy;
  let replica: Replica;
  let site: string;
  let kept: CentralConnection;
  let isCutting = false;
  const ids: string[] = [];
  let events = 0;
  let edits = 0;

  beforeAll(async () => {
    const nowMs = Date.now();
    const authority = makeAuthority({ commonName: 'Central', dnsNames: ['localhost'], nowMs });
    const addresses = ['127.0.0.1'];
    server =
      tls === 'with TLS'
        ? await startWithTls(
            makeServerCertificate({
              authority,
              authorityName: 'Central',
              dnsNames: ['localhost'],
              addresses,
              nowMs,
            }),
          )
        : await usePostgres({ version: 18 });
    central = await CentralSite.create(server);
    proxy = await CuttingProxy.open(server.port);
    site = await central.addSite();
    const open = async (port: number): Promise<CentralConnection> => {
      const url = new URL(central.url);
      url.port = String(port);
      if (tls === 'with TLS') url.searchParams.set('sslmode', 'verify-full');
      return await connectCentral({
        url: url.href,
        ...(tls === 'with TLS' ? { caPem: authority.cert } : {}),
        connectTimeoutMs: 10_000,
        queryTimeoutMs: 10_000,
      });
    };
    // Rounds that are not cut have one connection: to make one takes longer than all else.
    kept = await open(server.port);
    const shared: CentralConnection = {
      isOpen: true,
      query: (text, values) => kept.query(text, values),
      close: async () => undefined,
    };
    const connect = async () => (isCutting ? await open(proxy.port) : shared);
    replica = await Replica.open({ connect });
    await replica.join(central, (await central.invite(site)).code);
    for (let number = 1; number <= 5; number += 1) {
      const row = memberRow(number);
      ids.push(row.id);
      await replica.store.transact('test.insert', (tx) => tx.insert('member', row));
    }
    await settle(replica);
  });
  afterAll(async () => {
    await replica.close();
    await kept.close();
    await proxy.close();
    await central.close();
    await server.stop();
  });

  /** Something for each side. */
  async function write(): Promise<string> {
    edits += 1;
    const id = ids[edits % ids.length];
    assert(id !== undefined, 'there is a member');
    await replica.store.transact('test.write', async (tx) => {
      await tx.write('member', id, { notes: `here ${edits}` });
      events += 1;
      await tx.append('access_event', eventRow(events));
    });
    await central.submit(site, { tbl: 'member', pk: id, set: { phone: `there ${edits}` } });
    return id;
  }

  /** A round on a connection of its own; what it came to. */
  async function round(): Promise<string | null> {
    await replica.withKeeper(replica.keeper);
    const { problem } = await replica.round();
    return problem === null ? null : `${problem.code}: ${problem.evidence}`;
  }

  async function expectWhole(): Promise<void> {
    expect(await differences(central, site, replica)).toEqual([]);
    expect(await central.rows(site, 'access_event', ['id'])).toHaveLength(events);
    const link = replica.outbox.link();
    const { rows } = await central.admin.query<{ seq: number }>(
      'select origin_seq as seq from sync.change where origin_hub = $1 order by seq',
      [link?.hub_id],
    );
    const sent = replica.all('select seq from change where body is not null order by seq');
    expect(rows.map(({ seq }) => seq)).toEqual(sent.map((row) => Reflect.get(Object(row), 'seq')));
    expect(
      await central.value('select count(*) = max(seq) from sync.change where stream_id = $1', site),
    ).toBe(true);
  }

  it.each([
    ['while it sends and takes changes', false, tls === 'with TLS' ? cuts / 4 : cuts],
    ['while it takes all rows anew', true, cuts / 4],
  ] as const)(
    '%s, is made good by the next one, at whatever byte it was',
    async (_name, takesAll, count) => {
      const prepare = async (): Promise<string> => {
        if (takesAll) await replica.keeper.beginBootstrap(null);
        return await write();
      };
      await prepare();
      isCutting = true;
      expect(await round()).toBeNull();
      isCutting = false;
      const whole = { ...proxy.passed };
      expect(whole.up).toBeGreaterThan(500);
      expect(whole.down).toBeGreaterThan(1000);
      const all = whole.up + whole.down;
      let failed = 0;
      for (let index = 0; index < count; index += 1) {
        const place = Math.floor(((index + 0.5) * all) / count);
        const direction: Direction = place < whole.up ? 'up' : 'down';
        const bytes = direction === 'up' ? place : place - whole.up;
        const id = await prepare();
        isCutting = true;
        proxy.cutAfter = { direction, bytes };
        const problem = await round();
        proxy.cutAfter = null;
        isCutting = false;
        expect([direction, bytes, problem]).toEqual([
          direction,
          bytes,
          problem === null ? null : expect.stringMatching(/^centralUnreachable: /),
        ]);
        if (problem !== null) failed += 1;
        expect([direction, bytes, await round()]).toEqual([direction, bytes, null]);
        const [here] = replica.all('select notes, phone from member where id = ?', id);
        expect([direction, bytes, here]).toEqual([
          direction,
          bytes,
          { notes: `here ${edits}`, phone: `there ${edits}` },
        ]);
        if (index % 50 === 0) await expectWhole();
      }
      // Rounds differ by some bytes: what is cut right at the end may have been all.
      expect(failed).toBeGreaterThan(count * 0.9);
      await settle(replica);
      await expectWhole();
    },
    60_000 + cuts * 1000,
  );
});
