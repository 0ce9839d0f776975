import { randomBytes } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { migrateCentral } from '#hub/sync/central/migrations.ts';
import { chainStart } from '#hub/sync/engine/chain.ts';
import { joinCodeHash } from '#hub/sync/link/join-code.ts';
import { type PostgresServer, startPostgres } from '#tests/_support/postgres.ts';
import { CentralSite } from '#tests/sync/replicas.ts';
import { parentOf, processMicros } from '../thread-times.ts';

/** A central database that keeps what is committed, as `makrcave-hub central migrate` makes it, with one site. */
export class BenchCentre {
  readonly server: PostgresServer;
  /** Superuser. */
  readonly url: string;
  readonly central: CentralSite;
  readonly site: string;

  private constructor(server: PostgresServer, url: string, central: CentralSite, site: string) {
    this.server = server;
    this.url = url;
    this.central = central;
    this.site = site;
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<BenchCentre> {
    const server = await startPostgres({ version: 18, durable: true, settings });
    try {
      const { url } = await server.createDatabase();
      const client = new Client({ connectionString: url });
      await client.connect();
      await migrateCentral(client, path.resolve(import.meta.dirname, '../../../migrations/postgres'));
      await client.end();
      const central = await CentralSite.open(url);
      return new BenchCentre(server, url, central, await central.addSite('Bench'));
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** It would be another machine: from here on what it does for hubs gives way to all that runs on this one. */
  async stepBack(): Promise<void> {
    const { rows } = await this.central.admin.query<{ pid: number }>('select pg_backend_pid() as pid');
    setPriority(parentOf(rows[0]?.pid ?? 0), constants.priority.PRIORITY_LOW);
  }

  /** What was written so far goes to the disk now, and not while something is measured. */
  async settle(): Promise<void> {
    await this.central.admin.query('checkpoint');
  }

  /** Remembers who its hubs are, for `rewind`. */
  async noteHubs(): Promise<void> {
    await this.central.admin.query(
      'drop table if exists noted_hub; create table noted_hub as select * from sync.hub',
    );
  }

  /** No access events are here, no hub has pushed anything, and each is the one that was noted. */
  async rewind(): Promise<void> {
    await this.central.admin.query(
      'truncate makrcave.access_event; truncate sync.hub_mark; truncate sync.hub; ' +
        'insert into sync.hub select * from noted_hub;' +
        `update sync.hub set last_seq = 0, chain = '\\x${chainStart}'; ` +
        'insert into sync.hub_mark (stream_id, hub_id, epoch, seq, chain) ' +
        'select stream_id, hub_id, epoch, 0, chain from sync.hub',
    );
  }

  /** A code by which another machine becomes the one hub that is here. */
  async replaceHub(): Promise<string> {
    const code = randomBytes(8).toString('hex');
    const hub = await this.central.value('select hub_id from sync.hub');
    await this.central.value('select sync.replace_hub($1, $2, $3, 60)', this.site, hub, joinCodeHash(code));
    return code;
  }

  /** Processor time of the connections that hubs have open, us since each was made. */
  async hubMicros(): Promise<number> {
    const { rows } = await this.central.admin.query<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = 'makrcave-hub'",
    );
    return rows.reduce((sum, { pid }) => sum + processMicros(pid), 0);
  }

  async close(): Promise<void> {
    await this.central.close();
    await this.server.stop();
  }
}
