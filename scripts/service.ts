import { type ChildProcess, spawn } from 'node:child_process';
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';

export interface ServiceOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly say: (line: string) => void;
  /** The first pause before another start; it doubles with each start that does not last. 1 s unless told. */
  readonly firstPauseMs?: number;
  /** The longest pause; 60 s unless told. */
  readonly maxPauseMs?: number;
  /** A process that ran for so long starts again after the first pause; 60 s unless told. */
  readonly steadyMs?: number;
}

/** The configuration is wrong. The log says what. */
const configurationCode = 78;
const shownLogLines = 15;

/**
 * A process with its output in a log file (that of the run before is kept). It is started again whenever it ends, with
 * pauses that grow, until it is told to stop: a box nobody looks at must come back when a disk has room again.
 */
export class Service {
  readonly name: string;
  readonly logFile: string;
  readonly #options: ServiceOptions;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | null = null;
  #isStopping = false;
  #pauseMs = 0;
  #startedMs = 0;
  #starts = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.name = options.name;
    this.logFile = options.logFile;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    // The first run only: one that fails again and again must not push out what came before.
    if (this.#starts === 0) await rename(this.logFile, `${this.logFile}.1`).catch(() => undefined);
    const log = await this.#openLog();
    try {
      if (!this.#isStopping) this.#spawn(log?.fd ?? 'ignore');
    } catch (cause) {
      this.#onEnd(`cannot be started: ${String(cause)}`, null);
    } finally {
      await log?.close().catch(() => undefined);
    }
  }

  /** Undefined where no file can be made: a door is worth more than its log. */
  async #openLog(): Promise<FileHandle | undefined> {
    return await open(this.logFile, 'a', 0o600).catch(() => undefined);
  }

  #spawn(output: number | 'ignore'): void {
    const { args, cwd, env } = this.#options;
    this.#starts += 1;
    this.#startedMs = performance.now();
    const child = spawn(process.execPath, args, {
      cwd,
      env,
      stdio: ['ignore', output, output],
      // Ctrl-C reaches the start script only, so that the services end in order.
      detached: true,
    });
    this.#child = child;
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    child.once('error', (cause) => {
      if (child.pid !== undefined) return;
      ended.resolve();
      this.#onEnd(`cannot be started: ${cause.message}`, null);
    });
    child.once('exit', (code, signal) => {
      ended.resolve();
      this.#onEnd(`ended (${signal ?? code})`, code);
    });
  }

  #onEnd(what: string, code: number | null): void {
    this.#child = null;
    if (this.#isStopping) return;
    const { firstPauseMs = 1000, maxPauseMs = 60_000, steadyMs = 60_000, say } = this.#options;
    const wasSteady = performance.now() - this.#startedMs >= steadyMs;
    // Another start helps only after somebody has corrected the configuration.
    if (code === configurationCode) this.#pauseMs = maxPauseMs;
    else
      this.#pauseMs =
        wasSteady || this.#pauseMs === 0 ? firstPauseMs : Math.min(this.#pauseMs * 2, maxPauseMs);
    this.#restart = setTimeout(() => void this.start(), this.#pauseMs);
    const pause = `${Math.ceil(this.#pauseMs / 1000)} s`;
    void this.#lastLines().then((lines) => {
      if (!wasSteady) say(lines);
      say(`The ${this.name} ${what}; starting it again in ${pause}. Its log: ${this.logFile}`);
    });
  }

  async #lastLines(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-shownLogLines).join('\n');
  }

  /** Ends a process that hangs; the next one follows. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Asks the process to end, for good. Resolves when it has ended or `waitMs` are over. */
  async stop(waitMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    if (this.#child === null) return;
    this.#child.kill('SIGTERM');
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
  }

  /** Resolves when the process, told to stop, has ended; kills it after `waitMs`. */
  async end(waitMs: number): Promise<void> {
    const killer = setTimeout(() => this.kill(), waitMs);
    await this.#ended;
    clearTimeout(killer);
  }
}

/** How long a service in a row is waited for before the next one is told to end, and when all are killed. */
const orderMs = 3000;
const allMs = 8000;

/** Ends services one after the other, all within 10 s. */
export async function stopServices(
  services: readonly Pick<Service, 'stop' | 'end'>[],
  times: { readonly orderMs: number; readonly allMs: number } = { orderMs, allMs },
): Promise<void> {
  const startedMs = performance.now();
  const leftMs = (): number => Math.max(0, times.allMs - (performance.now() - startedMs));
  for (const service of services) await service.stop(Math.min(times.orderMs, leftMs()));
  await Promise.all(services.map((service) => service.end(leftMs())));
}
