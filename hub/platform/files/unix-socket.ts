import { rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { Fault } from '#hub/kernel/result.ts';
import { makePrivateDirectory } from './durable-file.ts';

/** sockaddr_un holds 107 bytes and a zero. */
const maxSocketPathBytes = 107;

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** Checks whether a process listens on a Unix socket; a stale file of a killed process does not answer. */
async function isAlive(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(socketPath);
  socket.once('connect', () => resolve(true));
  socket.once('error', (error) => resolve(errorCode(error) === 'EAGAIN'));
  const alive = await promise;
  socket.destroy();
  return alive;
}

/**
 * Makes `socketPath` free for listening: its directory exists (0700), a dead socket file is removed. Throws the Faults
 * `socketInUse` (another process answers there), `socketPathTaken` (no socket) and `socketPathTooLong`.
 */
export async function claimSocketPath(socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > maxSocketPathBytes)
    throw new Fault(
      'socketPathTooLong',
      `${socketPath} is longer than ${maxSocketPathBytes} bytes: choose a shorter state directory`,
    );
  await makePrivateDirectory(path.dirname(socketPath));
  const found = await stat(socketPath).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Fault('socketPathTaken', `${socketPath} is no socket: move it away`);
  if (await isAlive(socketPath))
    throw new Fault('socketInUse', `another hub answers at ${socketPath}: stop it first`);
  await rm(socketPath, { force: true });
}
