import path from 'node:path';
import { parseArgs } from 'node:util';
import type { ControlAnswer } from './control-socket.ts';

const help = `Usage: makrcave-hub COMMAND [options]

  tap --portal KEY --card CARD        tap a card at a simulated reader
  explain CARD PORTAL [--at TIME]     may this card pass this portal, and why (TIME in ISO 8601; default now)
  verify                              check the hash chain of the audit log
  claim-code                          make a new claim code for a hub that nobody owns yet
  migrate status | up | create NAME   the database's migrations

A CARD is FACILITY:NUMBER (26 bit), or FORMAT:FACILITY:NUMBER such as w34:1234:56789.

Options of every command:
  --state DIR    the hub's state (MAKRCAVE_STATE_DIR, default ./state)
  --json         print the hub's answer as JSON
  -h, --help     this text
`;

/** A wrong call of the command: printed with the usage, exit 64. */
class UsageProblem extends Error {}

if (Number(process.versions.napi) < 10) {
  process.stderr.write('makrcave-hub needs Node 24: run it as ./scripts/makrcave-hub\n');
  process.exit(69);
}

const parsed = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        state: { type: 'string' },
        portal: { type: 'string' },
        card: { type: 'string' },
        at: { type: 'string' },
      },
    });
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n\n${help}`);
    return process.exit(64);
  }
})();
const { values, positionals } = parsed;
const [command, ...operands] = positionals;
const root = path.resolve(import.meta.dirname, '../..');
const stateDir = path.resolve(values.state ?? process.env.MAKRCAVE_STATE_DIR ?? path.join(root, 'state'));

const controlSocket = path.join(stateDir, 'hub/hub.sock');

// Whoever reads our output may have had enough of it: `... | head -1`.
process.stdout.on('error', () => process.exit(0));
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

type Call = (method: string, path: string, body?: unknown) => Promise<ControlAnswer>;

const isNotRunning = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED');

/**
 * Runs `work` against the running hub. With the hub stopped, `offline` commands open the store themselves, under the
 * hub's own lock; the others say that the hub must run.
 */
async function withHub<T>(offline: boolean, work: (call: Call) => Promise<T>): Promise<T> {
  const { callControlSocket } = await import('./control-socket.ts');
  const call: Call = (method, target, body) => callControlSocket(controlSocket, method, target, body);
  try {
    await call('GET', '/health');
  } catch (cause) {
    if (!isNotRunning(cause)) throw cause;
    if (!offline) throw new UsageProblem(`No hub is running in ${stateDir}. Start it with ./scripts/start.`);
    const { startHub } = await import('../compose.ts');
    const hub = await startHub({ env: { ...process.env, MAKRCAVE_STATE_DIR: stateDir }, listen: 'console' });
    try {
      return await work(call);
    } finally {
      await hub.close();
    }
  }
  return work(call);
}

/** The answer's JSON, or the refusal in words and exit 1. */
function accepted(answer: ControlAnswer): Readonly<Record<string, unknown>> {
  if (answer.status < 400) return answer.json;
  const { title, detail, nextStep, errors } = answer.json;
  const fields = Array.isArray(errors)
    ? errors.filter(isRecord).map((entry) => `  ${text(entry.pointer)}: ${text(entry.message)}`)
    : [];
  throw new Error(
    [text(detail) || text(title), ...fields, text(nextStep)].filter((line) => line !== '').join('\n'),
  );
}

async function tap(): Promise<void> {
  const { portal, card } = values;
  if (portal === undefined || card === undefined) throw new UsageProblem('tap needs --portal and --card.');
  const { openControlStream } = await import('./control-stream.ts');
  await withHub(false, async (call) => {
    const stream = await openControlStream(controlSocket);
    try {
      accepted(await call('POST', '/api/access-control/simulated-taps', { portalKey: portal, card }));
      const isDecision = (kind: unknown): boolean => kind === 'granted' || kind === 'denied';
      const { data } = await stream.next(
        (event) => event.topic === 'access.event' && isDecision(event.data.kind),
        5000,
      );
      if (values.json) print(JSON.stringify(data));
      else printDecision(data);
    } finally {
      stream.close();
    }
  });
}

/** A decision as the API words it: the outcome, the checks, and what to do. */
function printDecision(decision: Readonly<Record<string, unknown>>): void {
  const granted = decision.granted === true || decision.kind === 'granted';
  print(granted ? 'GRANTED' : `DENIED (${text(decision.reason)})`);
  const checks = Array.isArray(decision.checks) ? decision.checks.filter(isRecord) : [];
  const why = isRecord(decision.why) ? decision.why : {};
  for (const check of checks) print(`  ${check.passed === true ? 'ok ' : 'NO '} ${text(check.sentence)}`);
  if (!granted && text(why.nextStep) !== '') print(`Next step: ${text(why.nextStep)}`);
}

async function explain(): Promise<void> {
  const [card, portal] = operands;
  if (card === undefined || portal === undefined)
    throw new UsageProblem('explain needs a card and a portal.');
  await withHub(true, async (call) => {
    const at = values.at === undefined ? {} : { at: values.at };
    const answer = accepted(
      await call('POST', '/api/access-control/check', { card, portalKey: portal, ...at }),
    );
    if (values.json) print(JSON.stringify(answer));
    else printDecision(answer);
  });
}

async function verify(): Promise<void> {
  await withHub(true, async (call) => {
    const answer = accepted(await call('GET', '/api/system/verify'));
    if (values.json) print(JSON.stringify(answer));
    else if (answer.ok === true) print(`The audit log is whole: ${String(answer.entries)} entries.`);
    else print(`The audit log was changed: ${JSON.stringify(answer.firstBroken)}`);
    if (answer.ok !== true) process.exitCode = 1;
  });
}

async function claimCode(): Promise<void> {
  await withHub(false, async (call) => {
    const answer = accepted(await call('POST', '/api/system/claim-code', {}));
    print(values.json ? JSON.stringify(answer) : `Claim code: ${text(answer.code)} (good for 15 minutes)`);
  });
}

async function migrate(): Promise<void> {
  const { runMigrateCommand } = await import('./migrate.ts');
  const lines = await runMigrateCommand({ operands, stateDir, root });
  if (lines === null) throw new UsageProblem('migrate takes status, up, or create NAME.');
  for (const line of lines) print(line);
}

const commands: Readonly<Record<string, () => Promise<void>>> = {
  tap,
  explain,
  verify,
  'claim-code': claimCode,
  migrate,
};

const run = command === undefined ? undefined : commands[command];
if (values.help || command === undefined) {
  process.stdout.write(help);
  process.exitCode = values.help ? 0 : 64;
} else if (run === undefined) {
  process.stderr.write(`There is no command ${command}.\n\n${help}`);
  process.exitCode = 64;
} else {
  await run().catch((cause: unknown) => {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
    process.exitCode = cause instanceof UsageProblem ? 64 : 1;
  });
}
