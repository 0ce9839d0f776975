import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { NotRunning, shellWord } from './command.ts';

export interface FoundState {
  /** Absolute. */
  readonly stateDir: string;
  /** What named it, for people: `--state`, `MAKRCAVE_STATE_DIR`, `stateDir of /etc/makrcave/hub.yaml`, `the default`. */
  readonly from: string;
}

export interface StateSources {
  /** `--state` */
  readonly state?: string | undefined;
  /** The hub's configuration: `--config`, else MAKRCAVE_CONFIG. */
  readonly configFile?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The product's folder. */
  readonly root: string;
}

/**
 * `stateDir` of a configuration, even of one that has mistakes elsewhere: whoever puts them right needs the command
 * line. Null when it has none, or cannot be read.
 */
async function stateDirIn(file: string): Promise<string | null> {
  const { parseDocument } = await import('yaml');
  try {
    const value: unknown = parseDocument(readFileSync(file, 'utf8')).get('stateDir');
    return typeof value === 'string' && value !== '' ? value : null;
  } catch {
    return null;
  }
}

/** Finds the hub's state as a start of the hub does: the option, the variable, the configuration, `state` in the product's folder. */
export async function findState({ state, configFile, env, root }: StateSources): Promise<FoundState> {
  if (state !== undefined) return { stateDir: path.resolve(state), from: '--state' };
  const variable = env['MAKRCAVE_STATE_DIR'];
  if (variable !== undefined && variable !== '')
    return { stateDir: path.resolve(variable), from: 'MAKRCAVE_STATE_DIR' };
  const configured = configFile === undefined ? null : await stateDirIn(configFile);
  if (configured !== null)
    return { stateDir: path.resolve(root, configured), from: `stateDir of ${configFile}` };
  return { stateDir: path.join(root, 'state'), from: 'the default' };
}

const socketEnd = '/hub/hub.sock';

/** State folders of hubs that run on this machine, of any user; empty where the system does not tell. */
function runningStates(): readonly string[] {
  try {
    const places = readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map((line) => line.slice(Math.max(0, line.indexOf(' /') + 1)))
      .filter((place) => place.startsWith('/') && place.endsWith(socketEnd));
    return [...new Set(places.map((place) => place.slice(0, -socketEnd.length)))];
  } catch {
    return [];
  }
}

/** Throws `NotRunning` where no hub ever was: no command but a start and a restore makes one. */
export function assertStore({
  stateDir,
  stateInWords,
}: {
  readonly stateDir: string;
  readonly stateInWords: string;
}): void {
  if (existsSync(path.join(stateDir, 'hub/hub.sqlite'))) return;
  const running = runningStates().map((found) => `\n  --state ${shellWord(found)}`);
  const where = running.length === 0 ? '' : `\nOn this machine a hub runs in:${running.join('')}`;
  throw new NotRunning(
    `There is no hub in ${stateInWords}. Name its state by --state DIR or its configuration by --config FILE, or make a hub with ./scripts/start.${where}`,
  );
}

/**
 * A command line for people to copy, that finds the hub of `stateDir` from this folder with these variables: `--state`
 * stands in it only where it is needed.
 */
export async function commandToPrint(
  stateDir: string,
  root: string,
  command: string,
  ...args: readonly string[]
): Promise<string> {
  const { env } = process;
  const plain = await findState({ configFile: env['MAKRCAVE_CONFIG'] || undefined, env, root });
  const where = plain.stateDir === stateDir ? [] : ['--state', stateDir];
  const program = path.relative(process.cwd(), path.join(root, 'scripts/makrcave-hub'));
  const words = [program.startsWith('.') ? program : `./${program}`, command, ...args, ...where];
  return words.map(shellWord).join(' ');
}
