import { spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';

const pollEveryMs = 250;
const pieceBytes = 64 * 1024;
/** Maximum length of a line; longer text is split. */
const maxLineCharacters = 1_048_576;

/** Cuts text into lines as it comes, in whatever pieces; one without end is handed on in parts. */
class LineCutter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  cut(bytes: Buffer): readonly string[] {
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > maxLineCharacters) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    return lines.map((line) => line.replace(/\r$/, ''));
  }

  /** Returns the text after the last line break. */
  end(): readonly string[] {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}

/** Lists the log files of a service, oldest first: the rotated ones, then the current one. */
export function logFilesOf(stateDir: string, service: string): readonly string[] {
  const file = path.join(stateDir, 'log', `${service}.log`);
  return [`${file}.2`, `${file}.1`, file].filter((candidate) => existsSync(candidate));
}

/** Lines in the first `bytes` of a file, oldest first. */
export async function* readLines(file: string, bytes: number): AsyncIterable<string> {
  if (bytes === 0) return;
  const cutter = new LineCutter();
  for await (const piece of createReadStream(file, { highWaterMark: pieceBytes, end: bytes - 1 }))
    if (Buffer.isBuffer(piece)) yield* cutter.cut(piece);
  yield* cutter.end();
}

/** Lines that are added to a file from `offset` on, until the signal; goes on when the file is emptied or replaced. */
export async function* followLines(file: string, offset: number, signal: AbortSignal): AsyncIterable<string> {
  let cutter = new LineCutter();
  let position = offset;
  let inode: number | null = null;
  const buffer = Buffer.alloc(pieceBytes);
  while (!signal.aborted) {
    const found = await stat(file).catch(() => null);
    if (found !== null) {
      if (found.size < position || (inode !== null && inode !== found.ino)) {
        position = 0;
        cutter = new LineCutter();
      }
      inode = found.ino;
      if (found.size > position) {
        const handle = await open(file, 'r');
        try {
          const { bytesRead } = await handle.read(buffer, 0, pieceBytes, position);
          position += bytesRead;
          yield* cutter.cut(Buffer.from(buffer.subarray(0, bytesRead)));
          if (bytesRead === pieceBytes) continue;
        } finally {
          await handle.close();
        }
      }
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, pollEveryMs);
    await promise;
  }
}

/** Lines of the system's journal, for a hub that systemd runs. Throws where there is no journalctl. */
export async function* readJournal(
  service: string,
  options: { readonly sinceMs: number | null; readonly lines: number | null; readonly follow: boolean },
): AsyncIterable<string> {
  const child = spawn(
    'journalctl',
    [
      '--unit',
      `makrcave-${service}`,
      '--output',
      'cat',
      '--no-pager',
      '--quiet',
      ...(options.sinceMs === null ? [] : ['--since', `@${Math.floor(options.sinceMs / 1000)}`]),
      ...(options.lines === null ? [] : ['--lines', String(options.lines)]),
      ...(options.follow ? ['--follow'] : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const { promise: started, resolve, reject } = Promise.withResolvers<void>();
  child.once('spawn', resolve);
  child.once('error', (cause) =>
    reject(new Error('There are no log files here and no journalctl: has the hub ever run?', { cause })),
  );
  await started;
  const cutter = new LineCutter();
  for await (const piece of child.stdout) if (Buffer.isBuffer(piece)) yield* cutter.cut(piece);
  yield* cutter.end();
}
