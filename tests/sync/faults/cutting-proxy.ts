import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';

export type Direction = 'up' | 'down';

/** Passes bytes on to a server of this machine, and cuts a connection after exactly so many in one direction. */
export class CuttingProxy {
  readonly port: number;
  /** Of connections made from here on; null: none is cut. */
  cutAfter: { readonly direction: Direction; readonly bytes: number } | null = null;
  /** Bytes of the last connection. */
  passed: Record<Direction, number> = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number, to: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (inner) => this.#join(inner, to));
  }

  static async open(to: number): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
    return new CuttingProxy(server, address.port, to);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(inner: Socket, to: number): void {
    const outer = new Socket().connect(to, '127.0.0.1');
    const passed = { up: 0, down: 0 };
    this.passed = passed;
    const { cutAfter } = this;
    const cut = (): void => {
      inner.destroy();
      outer.destroy();
    };
    for (const socket of [inner, outer]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    const pass = (direction: Direction, from: Socket, target: Socket): void => {
      from.on('data', (chunk: Buffer) => {
        const left =
          cutAfter?.direction === direction ? cutAfter.bytes - passed[direction] : chunk.length + 1;
        const part = chunk.subarray(0, Math.max(0, left));
        passed[direction] += part.length;
        if (left > chunk.length) target.write(part);
        // What was let through gets there before the end does.
        else target.end(part, cut);
      });
    };
    pass('up', inner, outer);
    pass('down', outer, inner);
  }
}
