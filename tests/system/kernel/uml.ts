import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const checkout = realpathSync(join(import.meta.dirname, '../../..'));

/** The simulated chip's label inside the test kernel. */
export const simChipLabel = 'hubsim';
/** Lines of the simulated chip: offsets 0 to 31. */
export const simLineCount = 32;

/**
 * The test kernel's path, from MAKRCAVE_UML_KERNEL: the test command builds it first (scripts/uml-kernel, minutes), so that
 * no test worker stands still for the build. Throws when it is not set.
 */
export function umlKernel(): string {
  const kernelPath = process.env.MAKRCAVE_UML_KERNEL;
  if (kernelPath === undefined || kernelPath === '')
    throw new Error(
      'MAKRCAVE_UML_KERNEL is not set: run MAKRCAVE_UML_KERNEL=$(scripts/uml-kernel) vitest ...',
    );
  return kernelPath;
}

export interface UmlScenario {
  /** From `umlKernel()`. */
  readonly kernelPath: string;
  /** Program and arguments, run in the guest with the checkout as its working directory. `node` is the checkout's. */
  readonly scenario: readonly string[];
  readonly timeoutMs: number;
  /** Variables for the program, on top of PATH, HOME, LANG, TMPDIR (scratch) and UML_SHARE. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called before the guest starts with a fresh folder, the same path inside (also in UML_SHARE), where both sides write. */
  readonly prepare?: (shareDir: string) => void | Promise<void>;
  /** Called with that folder after the guest has stopped, before it is removed. */
  readonly collect?: (shareDir: string) => void | Promise<void>;
}

export interface UmlOutcome {
  /** The program's exit code, 128 + signal if it was killed; null if the guest never came to report one. */
  readonly exitCode: number | null;
  /** What the program printed (standard output and error, as they came); then, if it never reported, why. */
  readonly output: string;
}

const maxOutputBytes = 4 * 1024 * 1024;
const exitLine = /\numl-exit: ([^\n]*)\n/;

/**
 * Boots the test kernel on the host's file system (read-only, /tmp and /run in memory), runs one program in it and powers
 * off. The guest has a time of its own, which stands still while it computes and skips what it would only wait for.
 * Never throws for what happens inside: a panic, a time-out or a failed boot is `exitCode: null` with the reason in `output`.
 */
export async function runInUml(options: UmlScenario): Promise<UmlOutcome> {
  const shareDir = realpathSync(mkdtempSync(join(tmpdir(), 'hub-uml-')));
  try {
    // The checkout's own Node, whichever one started this.
    const nodeDir = join(checkout, 'node_modules', '.bin');
    const env = {
      PATH: `${nodeDir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: '/tmp',
      TMPDIR: '/tmp',
      LANG: 'C.UTF-8',
      UML_SHARE: shareDir,
      ...options.env,
    };
    const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
    writeFileSync(
      join(shareDir, 'scenario.sh'),
      `${exports.join('')}set -- ${options.scenario.map(quoted).join(' ')}\n`,
    );
    await options.prepare?.(shareDir);
    const text = await boot(options.kernelPath, shareDir, options.timeoutMs);
    await options.collect?.(shareDir);
    return readOutcome(text);
  } finally {
    rmSync(shareDir, { recursive: true, force: true });
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function readOutcome(console: string): UmlOutcome {
  const text = console.replaceAll('\r\n', '\n');
  const report = exitLine.exec(text);
  if (!report) return { exitCode: null, output: text };
  // After the report come only the kernel's words on halting.
  const output = text.slice(0, report.index);
  const code = report[1] ?? '';
  return /^\d+$/.test(code)
    ? { exitCode: Number(code), output }
    : { exitCode: null, output: `${output}\n${code}` };
}

async function boot(kernelPath: string, shareDir: string, timeoutMs: number): Promise<string> {
  const guest = spawn(
    kernelPath,
    [
      'root=/dev/root',
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      'mem=1024M',
      `init=${join(import.meta.dirname, 'uml-init.sh')}`,
      // Names the kernel does not know become the init's environment.
      `HUB_UML_SHARE=${shareDir}`,
      `HUB_UML_CHECKOUT=${checkout}`,
      // The management console's socket would go to ~/.uml; a trailing slash is needed.
      `uml_dir=${shareDir}/`,
      'con=null',
      'con0=null,fd:1',
      'con1=null',
      // Its default is a pty per line, which this kernel has no driver for: 128 lines of complaint.
      'ssl=null',
      'quiet',
      // Bits are played in the guest's time: however busy its machine is, no frame is torn apart.
      'time-travel=inf-cpu',
    ],
    // A group of its own, so that the kernel's helper processes (one per guest address space) go with it.
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const chunks: Buffer[] = [];
  let size = 0;
  let stoppedBecause = '';
  const stop = (reason: string) => {
    stoppedBecause ||= reason;
    if (guest.pid === undefined) return;
    try {
      process.kill(-guest.pid, 'SIGKILL');
    } catch {
      // ESRCH: it ended by itself meanwhile.
    }
  };
  const take = (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxOutputBytes) chunks.push(chunk);
    else stop(`more than ${maxOutputBytes} bytes of output`);
  };
  guest.stdout.on('data', take);
  guest.stderr.on('data', take);
  const timer = setTimeout(() => stop(`not finished after ${timeoutMs} ms`), timeoutMs);
  const stopAtExit = () => stop('the test process ended');
  process.once('exit', stopAtExit);
  try {
    await new Promise<void>((resolve, reject) => {
      guest.once('error', reject);
      guest.once('close', () => resolve());
    });
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', stopAtExit);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return stoppedBecause ? `${text}\n[stopped: ${stoppedBecause}]\n` : text;
}

// From here on: for programs that run inside the guest.

const simConfig = '/sys/kernel/config/gpio-sim/hub';

let simDevice: string | undefined;

/** /sys folder of the simulated chip. The kernel picks both names (gpio-sim.0, gpiochip0): configfs tells them. */
function simDeviceDir(): string {
  simDevice ??= join(
    '/sys/devices/platform',
    readFileSync(join(simConfig, 'dev_name'), 'utf8').trim(),
    readFileSync(join(simConfig, 'bank0', 'chip_name'), 'utf8').trim(),
  );
  return simDevice;
}

/** /dev path of the simulated chip, to compare with what a search by label finds. */
export function simChipPath(): string {
  return join('/dev', readFileSync(join(simConfig, 'bank0', 'chip_name'), 'utf8').trim());
}

// gpio-sim raises its interrupts from the next timer tick, one pending bit a line: two edges of a line within a tick are one
// event, and two lines' edges lose their order.
const edgeSpacingMs = 5;
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * What is wired to the input; a level that differs makes the edge. Blocks this thread 5 ms, until the kernel has taken it.
 * Lines start pulled down; a request with a bias sets the same pull.
 */
export function simPull(offset: number, pull: 'pull-up' | 'pull-down'): void {
  writeFileSync(join(simDeviceDir(), `sim_gpio${offset}`, 'pull'), pull);
  Atomics.wait(pause, 0, 0, edgeSpacingMs);
}

/** The line's physical level, whoever drives it; active-low is not applied. */
export function simValue(offset: number): 0 | 1 {
  return readFileSync(join(simDeviceDir(), `sim_gpio${offset}`, 'value'), 'utf8').trim() === '1' ? 1 : 0;
}
