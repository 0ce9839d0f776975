import { request } from 'node:http';

export interface ControlAnswer {
  readonly status: number;
  /** The JSON object that was answered; empty when there was none. */
  readonly json: Readonly<Record<string, unknown>>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Calls the running hub over its Unix socket, which only the box's owner may open.
 * Rejects with the socket's error (`ENOENT`, `ECONNREFUSED`) when no hub is running there.
 */
export function callControlSocket(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath,
        method,
        path,
        timeout: 30_000,
        headers:
          text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const answered = Buffer.concat(chunks).toString('utf8');
          try {
            const json: unknown = answered === '' ? {} : JSON.parse(answered);
            resolve({ status: response.statusCode ?? 0, json: isObject(json) ? json : {} });
          } catch (cause) {
            reject(new Error(`the hub answered ${path} with something that is not JSON`, { cause }));
          }
        });
      },
    );
    call.once('timeout', () => call.destroy(new Error(`the hub did not answer ${path} within 30 s`)));
    call.once('error', reject);
    call.end(text);
  });
}
