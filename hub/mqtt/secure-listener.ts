import type { Duplex } from 'node:stream';
import { createServer, type TLSSocket } from 'node:tls';
import { bridgeProtocol } from '#hub/domains/access/controllers/link-schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { Logger } from '#hub/platform/log.ts';

/** Connections in all, and from one address. */
const maxConnections = 300;
const maxPerAddress = 40;
const handshakeTimeoutMs = 10_000;
const keepAliveProbeMs = 60_000;
const retryMs = 30_000;

export interface SecureListenerOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly certificates: {
    current(): { readonly key: string; readonly cert: string };
    onRenewed(listener: () => void): void;
  };
  readonly log: Logger;
  readonly onBridge: (socket: Duplex, address: string) => void;
  readonly onDevice: (socket: Duplex, address: string) => void;
}

export interface SecureListener {
  /** Null while it does not listen. */
  readonly port: number | null;
  /** Connections that were refused because there were too many, since the start. */
  readonly refused: number;
  findings(): readonly Finding[];
  close(): Promise<void>;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';

/**
 * MQTT over TLS on every interface. A port that another program has keeps nobody from the doors: it is a finding, and
 * tried again.
 */
export async function listenSecurely(options: SecureListenerOptions): Promise<SecureListener> {
  const { certificates, log } = options;
  const perAddress = new Map<string, number>();
  let refused = 0;
  let port: number | null = null;
  let problem: string | null = null;
  let retry: NodeJS.Timeout | null = null;
  let isClosed = false;
  const sockets = new Set<Duplex>();

  const server = createServer({
    ...certificates.current(),
    minVersion: 'TLSv1.2',
    handshakeTimeout: handshakeTimeoutMs,
    ALPNCallback: ({ protocols }) => (protocols.includes(bridgeProtocol) ? bridgeProtocol : protocols[0]),
  });
  certificates.onRenewed(() => server.setSecureContext(certificates.current()));
  server.maxConnections = maxConnections;
  server.on('drop', () => {
    refused += 1;
  });
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (perAddress.get(address) ?? 0) + 1;
    perAddress.set(address, count);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
    socket.on('error', () => undefined);
    if (count <= maxPerAddress) return;
    refused += 1;
    socket.destroy();
  });
  // A failed handshake (a client that does not trust the certificate) is that client's affair.
  server.on('tlsClientError', (error) => log.debug({ why: error.message }, 'MQTT handshake failed'));
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    socket.setKeepAlive(true, keepAliveProbeMs);
    socket.setNoDelay(true);
    const address = socket.remoteAddress ?? '';
    if (socket.alpnProtocol === bridgeProtocol) options.onBridge(socket, address);
    else options.onDevice(socket, address);
  });

  const tryHost = (host: string): Promise<unknown> =>
    new Promise((resolve) => {
      const fail = (error: Error): void => resolve(error);
      server.once('error', fail);
      server.listen({ host, port: options.port }, () => {
        server.off('error', fail);
        resolve(null);
      });
    });
  const listen = async (): Promise<void> => {
    let failure = await tryHost('::');
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(codeOf(failure))) failure = await tryHost('0.0.0.0');
    if (failure !== null) {
      if (problem === null)
        log.error({ err: failure, port: options.port }, 'no MQTT for devices: the port cannot be opened');
      problem = codeOf(failure);
      if (!isClosed) retry = setTimeout(() => void listen(), retryMs);
      retry?.unref();
      return;
    }
    problem = null;
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : null;
    log.info({ port }, 'MQTT for devices is open');
  };
  await listen();

  return {
    get port() {
      return port;
    },
    get refused() {
      return refused;
    },
    findings() {
      if (problem !== null)
        return [
          {
            id: 'mqtt.notListening',
            severity: 'error',
            evidence: `MQTT for devices cannot be opened on port ${options.port}: ${problem}.`,
            fix: 'Stop the other program on that port (often Mosquitto), or set mqtt.tlsPort to another.',
          },
        ];
      if (sockets.size < maxConnections * 0.9) return [];
      return [
        {
          id: 'mqtt.manyConnections',
          severity: 'warning',
          evidence: `${sockets.size} of ${maxConnections} MQTT connections are in use.`,
          fix: 'Look for a device that opens connections and does not close them.',
        },
      ];
    },
    async close() {
      isClosed = true;
      if (retry !== null) clearTimeout(retry);
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
