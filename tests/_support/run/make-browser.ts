import type { Maker } from './protocol.ts';

/** A chromium that says nothing to the outside, as root too. */
export const browserMaker: Maker = {
  perWorker: true,
  async make(onLost) {
    const [{ default: sparticuz }, { chromium }] = await Promise.all([
      import('@sparticuz/chromium'),
      import('playwright-core'),
    ]);
    executablePath ??= sparticuz.executablePath();
    const server = await chromium.launchServer({
      executablePath: await executablePath,
      host: '127.0.0.1',
      handleSIGINT: false,
      handleSIGTERM: false,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage',
      ],
    });
    server.once('close', onLost);
    return { value: { wsEndpoint: server.wsEndpoint() }, close: () => server.close() };
  },
};

/** Unpacked once: two at a time would write over each other. */
let executablePath: Promise<string> | undefined;
