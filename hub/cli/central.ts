import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { CentralConnection } from '#hub/sync/central-connection.ts';
import { type Command, type CommandContext, UsageProblem } from './command.ts';
import { migrationLine } from './migration-line.ts';

/** The address may be here instead, so that its password stands in no shell's history and in no list of processes. */
const urlVariable = 'MAKRCAVE_CENTRAL_URL';
const connectTimeoutMs = 15_000;

interface CentralAction {
  /** Its own operands, which stand before the URL: `['SITE']`. */
  readonly operands: readonly string[];
  /** Gets as many operands as it names. Returns what to print. */
  run(
    connection: CentralConnection,
    operands: readonly string[],
    context: CommandContext,
  ): Promise<readonly string[]>;
}

const migrateAction: CentralAction = {
  operands: [],
  async run(connection, _operands, { root }) {
    const { migrateCentral } = await import('#hub/sync/central-migrations.ts');
    const applied = await migrateCentral(connection, path.join(root, 'migrations/postgres'));
    return applied.length === 0 ? ['Nothing to do: every migration is applied.'] : applied.map(migrationLine);
  },
};

/** Each connects, does one thing with the central database, and prints what it did. */
const actions: Readonly<Record<string, CentralAction>> = { migrate: migrateAction };

async function connect({ text }: CommandContext, url: string): Promise<CentralConnection> {
  const { connectCentral } = await import('#hub/sync/central-connection.ts');
  const authorityFile = text('ca');
  return await connectCentral({
    url,
    ...(authorityFile === undefined ? {} : { caPem: await readFile(authorityFile, 'utf8') }),
    connectTimeoutMs,
    queryTimeoutMs: null,
  });
}

export const central: Command = {
  usage: 'central migrate [URL]',
  summary: 'the central database that sites share',
  details:
    'URL is postgres://USER:PASSWORD@HOST/DATABASE of whoever owns the database there, or stands in\n' +
    `${urlVariable}, where no shell's history and no list of processes shows the password.\n` +
    '`migrate` brings its tables up to this release; the central database goes first, then the hubs.',
  options: {
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
