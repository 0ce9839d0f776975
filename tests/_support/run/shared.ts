import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { inject } from 'vitest';
import type { Answer, Request, SharedValues } from './protocol.ts';

/** Asks for something that the files of this run share; the first who asks waits until it is made. */
export async function askShared<Name extends keyof SharedValues>(want: Name): Promise<SharedValues[Name]> {
  const socket = connect(inject('sharedSocket'));
  const request: Request = { want, worker: process.env['VITEST_POOL_ID'] ?? '' };
  socket.write(`${JSON.stringify(request)}\n`);
  const lines = createInterface({ input: socket });
  const [line] = (await once(lines, 'line')) as [string];
  socket.destroy();
  const answer = JSON.parse(line) as Answer;
  if ('problem' in answer) throw new Error(`${want} for this run: ${answer.problem}`);
  return answer.value as SharedValues[Name];
}
