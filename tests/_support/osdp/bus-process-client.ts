import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '#tests/_support/until.ts';
import type { BusConfig, BusOrder } from './bus-orders.ts';

type Line = Record<string, unknown>;

/** The bus process and its pty, as a test uses them. */
export class BusProcess {
  /** The device that the panel opens. */
  readonly link: string;
  /** All that it printed, oldest first. */
  readonly lines: Line[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #dir: string;
  readonly #errors: string[] = [];
  #orders = 0;

  private constructor(dir: string, config: Omit<BusConfig, 'link'>) {
    this.#dir = dir;
    this.link = join(dir, 'osdp');
    const script = join(import.meta.dirname, 'bus-process.ts');
    this.#child = spawn(process.execPath, [script, JSON.stringify({ ...config, link: this.link })]);
    this.#child.stderr.on('data', (text: Buffer) => this.#errors.push(text.toString()));
    // An order to a process that has ended is noticed by `line`.
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(JSON.parse(line)));
  }

  static async start(config: Omit<BusConfig, 'link'>): Promise<BusProcess> {
    const bus = new BusProcess(mkdtempSync(join(tmpdir(), 'osdp-')), config);
    await bus.line('ready');
    return bus;
  }

  /** The first line from `from` on that has this key and fits, waited for. */
  async line(key: string, fits: (line: Line) => boolean = () => true, from = 0): Promise<Line> {
    return until(`the bus process prints ${key}`, () => {
      const found = this.lines.slice(from).find((line) => key in line && fits(line));
      if (found === undefined && this.#child.exitCode !== null) {
        throw new Error(`the bus process ended: ${this.#errors.join('')}`);
      }
      return found;
    });
  }

  /** Returns when it was carried out, `process.hrtime` ns; throws when it is refused. */
  async order(order: BusOrder): Promise<bigint> {
    const number = ++this.#orders;
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const answer = await until('the bus process follows', () =>
      this.lines.find((line) => line.done === number || line.refused === number),
    );
    if ('refused' in answer) throw new Error(String(answer.why));
    return BigInt(String(answer.atNs));
  }

  /** Its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.stdin.end();
      await once(this.#child, 'exit');
    }
    rmSync(this.#dir, { recursive: true, force: true });
    return this.#child.exitCode;
  }
}
