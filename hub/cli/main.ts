import path from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { toPlainText } from '#hub/kernel/plain-text.ts';
import {
  type Call,
  type Command,
  type CommandContext,
  exitCodes,
  NotRunning,
  UsageProblem,
} from './command.ts';
import { central } from './commands/central.ts';
import { claimCode } from './commands/claim-code.ts';
import { config } from './commands/config.ts';
import { doctor } from './commands/doctor.ts';
import { explain } from './commands/explain.ts';
import { logs } from './commands/logs.ts';
import { migrate } from './commands/migrate.ts';
import { pair } from './commands/pair.ts';
import { password } from './commands/password.ts';
import { recoveryCode } from './commands/recovery-code.ts';
import { restore } from './commands/restore.ts';
import { status } from './commands/status.ts';
import { tap } from './commands/tap.ts';
import { verify } from './commands/verify.ts';
import { assertStore, findState } from './find-state.ts';

if (Number(process.versions.napi) < 10) {
  process.stderr.write('makrcave-hub needs Node 24: run it as ./scripts/makrcave-hub\n');
  process.exit(exitCodes.notRunning);
}

const commands: Readonly<Record<string, Command>> = {
  status,
  doctor,
  logs,
  config,
  tap,
  pair,
  explain,
  verify,
  'claim-code': claimCode,
  password,
  restore,
  'recovery-code': recoveryCode,
  migrate,
  central,
};

const commonHelp = `  --state DIR      the hub's state (MAKRCAVE_STATE_DIR; else stateDir of the configuration, else ./state)
  --config FILE    the hub's configuration (MAKRCAVE_CONFIG)
  --json           print the answer as JSON
  -h, --help       the command's help
`;
const usageWidth = 34;

/** A command and what it does; a long usage has a line to itself. */
const commandLine = ({ usage, summary }: Command): string =>
  usage.length > usageWidth
    ? `  ${usage}\n  ${' '.repeat(usageWidth)}  ${summary}\n`
    : `  ${usage.padEnd(usageWidth)}  ${summary}\n`;

const generalHelp = `Usage: makrcave-hub COMMAND [options]

${Object.values(commands).map(commandLine).join('')}
Options of every command:
${commonHelp}`;

function helpOf({ usage, summary, details, options = {} }: Command): string {
  const lines = Object.entries(options).map(([name, { placeholder, help }]) => {
    const option = `--${name}${placeholder === undefined ? '' : ` ${placeholder}`}`;
    return `  ${option.padEnd(16)} ${help}\n`;
  });
  const text = `Usage: makrcave-hub ${usage}\n\n${summary.charAt(0).toUpperCase()}${summary.slice(1)}.\n`;
  return `${text}${details === undefined ? '' : `\n${details}\n`}\n${lines.join('')}${commonHelp}`;
}

function parseCommandLine() {
  const options: NonNullable<ParseArgsConfig['options']> = {
    help: { type: 'boolean', short: 'h' },
    json: { type: 'boolean' },
    state: { type: 'string' },
    config: { type: 'string' },
  };
  for (const command of Object.values(commands))
    for (const [name, { type }] of Object.entries(command.options ?? {})) options[name] = { type };
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n\n${generalHelp}`);
    return process.exit(exitCodes.usage);
  }
}

const codeOf = (cause: unknown): unknown =>
  cause instanceof Error && 'code' in cause ? cause.code : undefined;

type HubPlace = Pick<CommandContext, 'stateDir' | 'stateInWords' | 'controlSocket' | 'hubEnv'>;

/** Calls the hub over its socket; `null` when none is running there. */
async function reachHub({ stateDir, controlSocket }: HubPlace): Promise<Call | null> {
  const { callControlSocket } = await import('./control-socket.ts');
  const call: Call = (method, target, body) => callControlSocket(controlSocket, method, target, body);
  try {
    await call('GET', '/health');
    return call;
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'EACCES')
      throw new Error(
        `The hub in ${stateDir} is another user's: run this as the user that the hub runs as.`,
        { cause },
      );
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return null;
    throw cause;
  }
}

function hubCaller(place: HubPlace): CommandContext['withHub'] {
  return async (offline, work) => {
    const call = await reachHub(place);
    if (call !== null) return work(call);
    assertStore(place);
    if (!offline)
      throw new NotRunning(`No hub is running in ${place.stateInWords}. Start it with ./scripts/start.`);
    const { startHub } = await import('../compose.ts');
    const { callControlSocket } = await import('./control-socket.ts');
    const hub = await startHub({ env: place.hubEnv, listen: 'console' });
    try {
      return await work((method, target, body) =>
        callControlSocket(place.controlSocket, method, target, body),
      );
    } finally {
      await hub.close();
    }
  };
}

/** Options of another command are a slip, not to be passed over. */
function assertOwnOptions(name: string, command: Command, given: Readonly<Record<string, unknown>>): void {
  const own = new Set(['help', 'json', 'state', 'config', ...Object.keys(command.options ?? {})]);
  for (const option of Object.keys(given))
    if (!own.has(option)) throw new UsageProblem(`${name} has no option --${option}.`);
}

async function contextOf(
  { printsStyled = false }: Command,
  operands: readonly string[],
  values: Readonly<Record<string, unknown>>,
): Promise<CommandContext> {
  const text = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  const root = path.resolve(import.meta.dirname, '../..');
  const configFile = text('config') ?? (process.env['MAKRCAVE_CONFIG'] || undefined);
  const { stateDir, from } = await findState({ state: text('state'), configFile, env: process.env, root });
  const place: HubPlace = {
    stateDir,
    stateInWords: `${stateDir} (${from})`,
    controlSocket: path.join(stateDir, 'hub/hub.sock'),
    hubEnv: { ...process.env, MAKRCAVE_STATE_DIR: stateDir, MAKRCAVE_CONFIG: configFile },
  };
  const withHub = hubCaller(place);
  let isSaid = from === '--state' || values['json'] === true;
  return {
    ...place,
    operands,
    text,
    isSet: (option) => values[option] === true,
    json: values['json'] === true,
    root,
    configFile,
    print: (line) => void process.stdout.write(`${printsStyled ? line : toPlainText(line)}\n`),
    withHub(offline, work) {
      return withHub(offline, (call) => {
        // Whoever named the folder knows which; otherwise it is said, apart from the answer.
        if (!isSaid) process.stderr.write(`Hub in ${place.stateInWords}\n`);
        isSaid = true;
        return work(call);
      });
    },
  };
}

async function main(): Promise<number> {
  const { values, positionals } = parseCommandLine();
  const [name, ...operands] = positionals;
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (name === undefined) {
    process.stdout.write(generalHelp);
    return values['help'] === true ? 0 : exitCodes.usage;
  }
  if (command === undefined) {
    process.stderr.write(`There is no command ${name}.\n\n${generalHelp}`);
    return exitCodes.usage;
  }
  if (values['help'] === true) {
    process.stdout.write(helpOf(command));
    return 0;
  }
  try {
    assertOwnOptions(name, command, values);
    const code = await command.run(await contextOf(command, operands, values));
    return code ?? 0;
  } catch (cause) {
    process.stderr.write(`${toPlainText(cause instanceof Error ? cause.message : String(cause))}\n`);
    if (cause instanceof UsageProblem) {
      process.stderr.write(`\n${helpOf(command)}`);
      return exitCodes.usage;
    }
    if (cause instanceof NotRunning) return exitCodes.notRunning;
    return cause instanceof Error && 'exitCode' in cause && typeof cause.exitCode === 'number'
      ? cause.exitCode
      : 1;
  }
}

// Whoever reads our output may have had enough of it: `... | head -1`.
process.stdout.on('error', () => process.exit(0));
process.exitCode = await main();
