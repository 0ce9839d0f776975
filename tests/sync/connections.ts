import { type CentralConnection, type CentralRows, connectCentral } from '#hub/sync/central/connection.ts';
import { unreachable } from '#hub/sync/central/faults.ts';
import type { LinkRow } from '#hub/sync/repository.ts';

/** What happens to a question to the centre. `name` is the function's: `push`. */
export interface Line {
  /** Throws: it never gets there, and the connection is lost. */
  asking?(name: string, values: readonly unknown[]): void | Promise<void>;
  /** Throws: the centre has done it, and its answer is lost with the connection. */
  answered?(name: string, values: readonly unknown[]): void | Promise<void>;
}

const functionIn = /^select sync\.(\w+)\(/;

/** What a cut connection throws. */
export const cut = () => unreachable('the test', 'the test cut it');

/** Connects as the product does, over a line that a test may cut. */
export function connectOver(line: Line): (link: LinkRow) => Promise<CentralConnection> {
  return async (link) => {
    const inner = await connectCentral({
      url: link.central_url,
      ...(link.central_ca === null ? {} : { caPem: link.central_ca }),
      connectTimeoutMs: 10_000,
      queryTimeoutMs: 60_000,
    });
    let isCut = false;
    return {
      get isOpen() {
        return !isCut && inner.isOpen;
      },
      async query(text: string, values: unknown[] = []): Promise<CentralRows> {
        const name = functionIn.exec(text)?.[1] ?? '';
        let phase: 'asking' | 'answered' | 'query' = 'asking';
        try {
          await line.asking?.(name, values);
          phase = 'query';
          const rows = await inner.query(text, values);
          phase = 'answered';
          await line.answered?.(name, values);
          return rows;
        } catch (error) {
          if (phase !== 'query') {
            isCut = true;
            await inner.close();
          }
          throw error;
        }
      },
      close: () => inner.close(),
    };
  };
}
