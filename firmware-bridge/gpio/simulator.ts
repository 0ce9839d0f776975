import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import { maxPanelLineBytes, type PanelAnswer, panelCommandSchema } from './panel-schema.ts';
import { simPaths } from './sim-state.ts';
import { openSimulatedPanel, type SimulatedPanel } from './simulated-panel.ts';

// Plays cards, contacts and buttons for a bridge without hardware, in a process of its own.

const help = `Plays the hardware in front of a bridge that runs on simulated GPIO lines.

  node firmware-bridge/gpio/simulator.ts --state DIR

  --state DIR   the simulation's folder, the same as the bridge's (state/sim)
  --help        this text

It listens at DIR/panel.sock for JSON, one command per line, and answers each with one line:

  {"tap": {"bits": "01...", "d0": 5, "d1": 6, "bitIntervalUs": 1000, "realTime": false}}
  {"line": {"offset": 7, "level": 1}}
  {"noise": {"offsets": [5, 6], "edges": 20, "intervalUs": 50}}
`;

async function perform(panel: SimulatedPanel, text: string): Promise<bigint | null> {
  const command = panelCommandSchema.parse(JSON.parse(text));
  if ('tap' in command) {
    const { realTime, ...frame } = command.tap;
    return panel.tapFrame(frame, { kind: realTime ? 'realTime' : 'written' });
  }
  if ('line' in command) return panel.setLine(command.line.offset, command.line.level);
  const { offsets, edges, intervalUs } = command.noise;
  return panel.playEdges(
    Array.from({ length: edges }, (_, index) => ({
      offset: offsets[index % offsets.length] ?? 0,
      rising: false,
      afterUs: index * intervalUs,
    })),
  );
}

async function answerTo(panel: SimulatedPanel, text: string): Promise<PanelAnswer> {
  try {
    return { ok: true, lastEdgeNs: (await perform(panel, text))?.toString() ?? null };
  } catch (error) {
    if (error instanceof z.ZodError)
      return { ok: false, code: 'panelCommand', message: z.prettifyError(error) };
    if (error instanceof SyntaxError)
      return { ok: false, code: 'panelCommand', message: 'a command is one line of JSON' };
    const code = error instanceof Fault ? error.code : 'panelFailed';
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) };
  }
}

function serve(panel: SimulatedPanel, socket: Socket): void {
  let text = '';
  let work: Promise<void> = Promise.resolve();
  const performAfter = async (before: Promise<void>, command: string): Promise<void> => {
    await before;
    const answer = await answerTo(panel, command);
    if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
  };
  socket.setEncoding('utf8');
  // A client that has gone misses its answers, nothing else.
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    text += chunk;
    const commands = text.split('\n');
    text = commands.pop() ?? '';
    if (text.length > maxPanelLineBytes) socket.destroy();
    for (const command of commands) work = performAfter(work, command);
  });
}

/** Serves one folder. @throws {Fault} `panelBusy`, `simState`. */
async function startSimulator(dir: string): Promise<{ stop(): Promise<void> }> {
  const panel = openSimulatedPanel(dir);
  const { socket: path } = simPaths(dir);
  const connections = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serve(panel, socket);
  });
  // The lock guarantees that nobody listens there any more.
  rmSync(path, { force: true });
  await new Promise<void>((listening, reject) => {
    server.once('error', reject);
    server.listen(path, listening);
  });
  chmodSync(path, 0o600);
  return {
    async stop() {
      const closed = new Promise((done) => {
        server.close(done);
      });
      for (const socket of connections) socket.destroy();
      await closed;
      await panel.close();
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { state: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help === true || values.state === undefined) {
    (values.help === true ? process.stdout : process.stderr).write(help);
    process.exitCode = values.help === true ? 0 : 64;
    return;
  }
  const simulator = await startSimulator(resolve(values.state));
  const stop = (): void => {
    void simulator.stop();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stdout.write('simulator ready\n');
}

try {
  await main();
} catch (error) {
  process.stderr.write(`simulator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
