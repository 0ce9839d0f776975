import { startPostgres } from '../postgres.ts';
import type { Maker } from './protocol.ts';

export const postgresMaker = (version: 15 | 18): Maker => ({
  perWorker: true,
  async make() {
    const { url, port, socketFolder, stop } = await startPostgres({ version });
    return { value: { url, port, socketFolder }, close: stop };
  },
});
