import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type PanelAnswer, type PanelCommand, panelAnswerSchema } from '#bridge/gpio/panel-schema.ts';
import { simPaths } from '#bridge/gpio/sim-state.ts';
import type { GpioEdge, GpioPort, InputLine, OutputLine } from '#bridge/ports.ts';

const simulatorPath = join(import.meta.dirname, '../../../firmware-bridge/gpio/simulator.ts');

export const dataLine = (offset: number): InputLine => ({
  offset,
  activeLow: false,
  bias: 'pullUp',
  edges: 'falling',
  debounceMicros: 0,
});
export const contactLine = (offset: number): InputLine => ({
  offset,
  activeLow: false,
  bias: 'pullUp',
  edges: 'both',
  debounceMicros: 5000,
});
export const outputLine = (offset: number, safeLevel: 0 | 1): OutputLine => ({
  offset,
  activeLow: false,
  safeLevel,
});

export const makeSimDir = (): string => mkdtempSync(join(tmpdir(), 'sim-'));
export const removeSimDir = (dir: string): void => rmSync(dir, { recursive: true, force: true });

/** The simulator as its own process. */
export class SimulatorProcess {
  readonly child: ChildProcess;
  readonly errors: string[] = [];

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.on('data', (text: Buffer) => this.errors.push(text.toString()));
  }

  static async start(dir: string): Promise<SimulatorProcess> {
    const child = spawn(process.execPath, [simulatorPath, '--state', dir], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const simulator = new SimulatorProcess(child);
    const lines = createInterface({ input: child.stdout });
    await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => {
        throw new Error(simulator.errors.join(''));
      }),
    ]);
    return simulator;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    const [code] = await exited;
    return code;
  }
}

/** Hands a command to the simulator and resolves as soon as it is on its way; `answered` gives the simulator's answer. */
export async function dispatch(
  dir: string,
  command: PanelCommand,
): Promise<{ answered: Promise<PanelAnswer> }> {
  const socket = connect(simPaths(dir).socket);
  await once(socket, 'connect');
  const answered = once(createInterface({ input: socket }), 'line').then(([line]) => {
    socket.destroy();
    return panelAnswerSchema.parse(JSON.parse(String(line)));
  });
  await new Promise<void>((resolve) => {
    socket.write(`${JSON.stringify(command)}\n`, () => resolve());
  });
  return { answered };
}

/** Collects what a port delivers, and resolves when enough is there. */
export function recordPort(port: GpioPort) {
  const edges: GpioEdge[] = [];
  const settled: bigint[] = [];
  const faults: Error[] = [];
  let lost = 0;
  let check = (): void => undefined;
  port.onEdges = (batch, missing) => {
    edges.push(...batch);
    lost += missing;
    check();
  };
  port.onSettled = (untilNs) => {
    settled.push(untilNs);
    check();
  };
  port.onFault = (fault) => {
    faults.push(fault);
    check();
  };
  return {
    edges,
    settled,
    faults,
    lost: () => lost,
    /** Resolves at the first delivery after which the condition holds. */
    until(condition: () => boolean): Promise<void> {
      return new Promise((resolve) => {
        check = () => {
          if (condition()) resolve();
        };
        check();
      });
    },
  };
}
