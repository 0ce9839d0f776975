import { connect } from 'node:net';
import { Fault } from '#hub/kernel/result.ts';
import { maxPanelLineBytes, type PanelCommand, panelAnswerSchema } from './panel-schema.ts';
import { errorCode, simPaths } from './sim-state.ts';

const answerMs = 5000;

/**
 * Has the running simulator of this folder operate the simulated hardware. Resolves with the kernel time of the last
 * edge (null: there was none) once the bytes are in the port's pipe.
 * @throws {Fault} `panelAbsent`; the simulator's own codes, such as `panelNoListener`.
 */
export async function sendToPanel(dir: string, command: PanelCommand): Promise<bigint | null> {
  const { socket: path } = simPaths(dir);
  const socket = connect(path);
  socket.setTimeout(answerMs, () => socket.destroy(new Error(`no answer within ${answerMs} ms`)));
  try {
    const line = await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the simulator closed the connection')));
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('\n')) resolve(text);
        else if (text.length > maxPanelLineBytes) socket.destroy(new Error('an endless answer'));
      });
      socket.write(`${JSON.stringify(command)}\n`);
    });
    const answer = panelAnswerSchema.parse(JSON.parse(line));
    if (!answer.ok) throw new Fault(answer.code, answer.message);
    return answer.lastEdgeNs === null ? null : BigInt(answer.lastEdgeNs);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const isAbsent = ['ENOENT', 'ECONNREFUSED'].includes(String(errorCode(cause)));
    throw new Fault(
      isAbsent ? 'panelAbsent' : 'panelFailed',
      isAbsent
        ? `no simulator runs at ${path}; start it with: node firmware-bridge/gpio/simulator.ts --state ${dir}`
        : `the simulator at ${path} did not answer`,
      { cause },
    );
  } finally {
    socket.destroy();
  }
}
