import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { CentralConnection } from '#hub/sync/central/connection.ts';
import { type Command, type CommandContext, isRecord, textOf, UsageProblem } from '../command.ts';
import { migrationLine } from '../migration-line.ts';

/** Takes the address from here instead, to keep its password out of the shell's history and the list of processes. */
const urlVariable = 'MAKRCAVE_CENTRAL_URL';
const connectTimeoutMs = 15_000;

interface CentralAction {
  /** Operands before the URL: `['SITE']`. */
  readonly operands: readonly string[];
  /** Receives as many operands as it names. Returns the lines to print. */
  run(
    connection: CentralConnection,
    operands: readonly string[],
    context: CommandContext,
  ): Promise<readonly string[]>;
}

const migrateAction: CentralAction = {
  operands: [],
  async run(connection, _operands, { root }) {
    const { migrateCentral } = await import('#hub/sync/central/migrations.ts');
    const applied = await migrateCentral(connection, path.join(root, 'migrations/postgres'));
    return applied.length === 0 ? ['Nothing to do: every migration is applied.'] : applied.map(migrationLine);
  },
};

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const codeMinutes = 24 * 60;

/** An id as it was printed. Throws `UsageProblem` for anything else. */
function idOf(text: string | undefined, what: string): string {
  if (text === undefined || !uuid.test(text))
    throw new UsageProblem(`${what} is an id as \`central status\` prints it, not "${text ?? ''}".`);
  return text;
}

/** The first column of the first row. */
async function ask(connection: CentralConnection, sql: string, values: unknown[]): Promise<string> {
  const { rows } = await connection.query(sql, values);
  const [row] = rows;
  return isRecord(row) ? textOf(Object.values(row)[0]) : '';
}

/** A fresh one-time code, and the hash by which the centre knows it. */
async function makeCode(): Promise<{ readonly code: string; readonly hash: Buffer }> {
  const { joinCodeBytes, joinCodeHash, joinCodeOf } = await import('#hub/sync/link/join-code.ts');
  const code = joinCodeOf(randomBytes(joinCodeBytes));
  return { code, hash: joinCodeHash(code) };
}

const addSite: CentralAction = {
  operands: ['NAME'],
  async run(connection, [name = ''], { json }) {
    if (name.trim() === '' || name.length > 200)
      throw new UsageProblem('A site has a name of 1 to 200 letters.');
    const site = await ask(connection, 'select sync.add_site($1)', [name.trim()]);
    return json
      ? [JSON.stringify({ site })]
      : [`Site "${name.trim()}": ${site}`, `Next: central add-hub ${site}`];
  },
};

const addHub: CentralAction = {
  operands: ['SITE'],
  async run(connection, [site], { json, text }) {
    const { code, hash } = await makeCode();
    const name = text('name') ?? 'hub';
    const values = [idOf(site, 'SITE'), name, hash, codeMinutes, text('role') ?? null];
    const hub = await ask(connection, 'select sync.add_hub($1, $2, $3, $4, $5)', values);
    if (json) return [JSON.stringify({ hub, code })];
    return [
      `Hub "${name}": ${hub}`,
      `One-time code, good for a day: ${code}`,
      'On the hub: Settings, Sync, "Link to a centre".',
    ];
  },
};

const replaceHub: CentralAction = {
  operands: ['SITE', 'HUB'],
  async run(connection, [site, hub], { json }) {
    const { code, hash } = await makeCode();
    const values = [idOf(site, 'SITE'), idOf(hub, 'HUB'), hash, codeMinutes];
    await ask(connection, 'select sync.replace_hub($1, $2, $3, $4)', values);
    if (json) return [JSON.stringify({ code })];
    return [
      `One-time code, good for a day: ${code}`,
      'On an empty machine: makrcave-hub restore --from-central. With the code the machine that was this hub is shut out.',
    ];
  },
};

const revokeHub: CentralAction = {
  operands: ['SITE', 'HUB'],
  async run(connection, [site, hub]) {
    await ask(connection, 'select sync.revoke_hub($1, $2)', [idOf(site, 'SITE'), idOf(hub, 'HUB')]);
    return [
      'Revoked: it can neither read nor write here any more. Its doors go on.',
      'Another machine takes its place by: central replace-hub',
    ];
  },
};

/** A site with one of its hubs; the rest is null for a site that has none. */
const statusRow = z.object({
  site: z.string(),
  site_name: z.string(),
  hub: z.string().nullable(),
  hub_name: z.string().nullable(),
  status: z.string().nullable(),
  epoch: z.number().nullable(),
  behind: z.number().nullable(),
  clock_ahead_ms: z.number().nullable(),
  seen_seconds: z.number().nullable(),
  dead: z.number(),
});

const status: CentralAction = {
  operands: [],
  async run(connection, _operands, { json }) {
    const { rows } = await connection.query(
      `
      select s.stream_id as site, s.name as site_name, s.head, h.hub_id as hub, h.name as hub_name, h.status, h.epoch,
        h.last_seq, s.head - h.cursor as behind, h.release, h.clock_ahead_ms,
        extract(epoch from now() - h.seen_at)::bigint as seen_seconds,
        (select count(*) from sync.dead_letter d where d.stream_id = s.stream_id and d.hub_id = h.hub_id
          and d.resolved_at is null) as dead
      from sync.stream s left join sync.hub h on h.stream_id = s.stream_id
      order by s.name, s.stream_id, h.name`,
      [],
    );
    if (json) return [JSON.stringify({ hubs: rows })];
    const lines = z
      .array(statusRow)
      .parse(rows)
      .map((row) => {
        const site = `${row.site_name} (${row.site})`;
        if (row.hub === null) return `${site}: no hub yet`;
        const seen = row.seen_seconds === null ? 'never seen' : `seen ${row.seen_seconds} s ago`;
        const dead = row.dead === 0 ? '' : `, ${row.dead} dead letters`;
        const clock = row.clock_ahead_ms === 0 ? '' : ', its clock is ahead';
        const where = `epoch ${row.epoch}, ${row.behind} changes behind`;
        return `${site}: ${row.hub_name} (${row.hub}) ${row.status}, ${seen}, ${where}${dead}${clock}`;
      });
    return lines.length === 0 ? ['There is no site yet: central add-site NAME'] : lines;
  },
};

/** Actions on the central database: each connects, does one thing, and prints the result. */
const actions: Readonly<Record<string, CentralAction>> = {
  migrate: migrateAction,
  'add-site': addSite,
  'add-hub': addHub,
  'replace-hub': replaceHub,
  'revoke-hub': revokeHub,
  status,
};

async function connect({ text }: CommandContext, url: string): Promise<CentralConnection> {
  const { connectCentral } = await import('#hub/sync/central/connection.ts');
  const authorityFile = text('ca');
  return await connectCentral({
    url,
    ...(authorityFile === undefined ? {} : { caPem: await readFile(authorityFile, 'utf8') }),
    connectTimeoutMs,
    queryTimeoutMs: null,
  });
}

export const central: Command = {
  usage: 'central ACTION ... [URL]',
  summary: 'the central database that sites share',
  details:
    'URL is postgres://USER:PASSWORD@HOST/DATABASE of whoever owns the database there, or stands in\n' +
    `${urlVariable}, where no shell's history and no list of processes shows the password.\n` +
    '  central migrate              its tables as this release has them; the centre goes first, then the hubs\n' +
    '  central add-site NAME        a space; prints its id\n' +
    '  central add-hub SITE         a hub of it; prints the one-time code by which it joins\n' +
    '  central replace-hub SITE HUB a code by which another machine takes its place\n' +
    '  central revoke-hub SITE HUB  shuts a hub out for good\n' +
    '  central status               all sites and hubs, and how far each is',
  options: {
    name: { type: 'string', placeholder: 'NAME', help: 'add-hub: what people know the hub by' },
    role: { type: 'string', placeholder: 'ROLE', help: 'add-hub: it must log in as this database role' },
    ca: {
      type: 'string',
      placeholder: 'FILE',
      help: "the authority (PEM) that signed the server's certificate; else the system's",
    },
  },
  async run(context) {
    const [name = '', ...rest] = context.operands;
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) throw new UsageProblem(`central takes ${Object.keys(actions).join(', ')}.`);
    const operands = rest.slice(0, action.operands.length);
    const [given, ...tooMany] = rest.slice(action.operands.length);
    if (operands.length < action.operands.length || tooMany.length > 0)
      throw new UsageProblem(`central ${[name, ...action.operands, '[URL]'].join(' ')}`);
    const url = given ?? process.env[urlVariable] ?? '';
    if (url === '') throw new UsageProblem(`Which database? Give its URL, or put it into ${urlVariable}.`);
    const connection = await connect(context, url);
    try {
      for (const line of await action.run(connection, operands, context)) context.print(line);
    } finally {
      await connection.close();
    }
    return undefined;
  },
};
