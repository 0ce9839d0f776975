import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { bridgeProtocol } from '#hub/domains/access/controllers/link-schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { peerOf, plainAddress } from '#hub/kernel/peer-address.ts';
import type { Logger } from '#hub/platform/log.ts';
import { SharedPlaces } from '#hub/platform/shared-places.ts';
import { tlsServerOptions } from '#hub/platform/tls/server-options.ts';

/** Connections in all, from one address, and from one network of IPv6, where every host has all the addresses. */
const maxConnections = 300;
const maxPerAddress = 40;
const maxPerPeer = 120;
const handshakeTimeoutMs = 10_000;
const keepAliveProbeMs = 60_000;
const retryMs = 30_000;

export interface SecureListenerOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly certificates: {
    current(): { readonly key: string | string[]; readonly cert: string | string[] };
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
 * Listens for MQTT over TLS on every interface. A port that another program holds does not stop the doors: it is a
 * finding, and tried again.
 */
export async function listenSecurely(options: SecureListenerOptions): Promise<SecureListener> {
  const listener = new TlsListener(options);
  await listener.listen();
  return listener;
}

class TlsListener implements SecureListener {
  readonly #options: SecureListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #places = new SharedPlaces(maxConnections);
  #refused = 0;
  #port: number | null = null;
  /** Error code of the last try to listen; null when it succeeded. */
  #problem: string | null = null;
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: SecureListenerOptions) {
    const { certificates, log } = options;
    this.#options = options;
    this.#server = createServer({
      ...certificates.current(),
      ...tlsServerOptions,
      handshakeTimeout: handshakeTimeoutMs,
      ALPNCallback: ({ protocols }) => (protocols.includes(bridgeProtocol) ? bridgeProtocol : protocols[0]),
    });
    // Whatever it is not told again goes back to Node's defaults.
    certificates.onRenewed(() =>
      this.#server.setSecureContext({ ...certificates.current(), ...tlsServerOptions }),
    );
    this.#server.maxConnections = maxConnections;
    this.#server.on('drop', () => {
      this.#refused += 1;
    });
    this.#server.on('connection', (socket) => this.#onConnection(socket));
    // A failed handshake (a client that does not trust the certificate) is that client's affair.
    this.#server.on('tlsClientError', (error) => log.debug({ why: error.message }, 'MQTT handshake failed'));
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#onSecured(socket));
  }

  get port(): number | null {
    return this.#port;
  }
  get refused(): number {
    return this.#refused;
  }

  /** Opens the port; where that fails, tries again every `retryMs`. */
  async listen(): Promise<void> {
    const { log, port } = this.#options;
    let failure = await this.#tryHost('::');
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(codeOf(failure))) failure = await this.#tryHost('0.0.0.0');
    if (failure !== null) {
      if (this.#problem === null)
        log.error({ err: failure, port }, 'no MQTT for devices: the port cannot be opened');
      this.#problem = codeOf(failure);
      if (!this.#isClosed) this.#retry = setTimeout(() => void this.listen(), retryMs);
      this.#retry?.unref();
      return;
    }
    this.#problem = null;
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : null;
    log.info({ port: this.#port }, 'MQTT for devices is open');
  }

  findings(): readonly Finding[] {
    if (this.#problem !== null)
      return [
        {
          id: 'mqtt.notListening',
          severity: 'error',
          evidence: `MQTT for devices cannot be opened on port ${this.#options.port}: ${this.#problem}.`,
          fix: 'Stop the other program on that port (often Mosquitto), or set mqtt.tlsPort to another.',
        },
      ];
    if (this.#sockets.size < maxConnections * 0.9) return [];
    return [
      {
        id: 'mqtt.manyConnections',
        severity: 'warning',
        evidence: `${this.#sockets.size} of ${maxConnections} MQTT connections are in use.`,
        fix: 'Look for a device that opens connections and does not close them.',
      },
    ];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Tracks a TCP connection, and refuses it when its address has too many. */
  #onConnection(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const giveBack = this.#places.take([
      { name: `address ${address}`, share: maxPerAddress },
      { name: `peer ${peerOf(address)}`, share: maxPerPeer },
    ]);
    socket.on('error', () => undefined);
    if (giveBack === null) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      giveBack();
    });
  }

  /** Hands a connection over to the bridges' or the devices' broker, by ALPN. */
  #onSecured(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    socket.setKeepAlive(true, keepAliveProbeMs);
    socket.setNoDelay(true);
    const address = plainAddress(socket.remoteAddress);
    if (socket.alpnProtocol === bridgeProtocol) this.#options.onBridge(socket, address);
    else this.#options.onDevice(socket, address);
  }

  #tryHost(host: string): Promise<unknown> {
    return new Promise((resolve) => {
      const fail = (error: Error): void => resolve(error);
      this.#server.once('error', fail);
      this.#server.listen({ host, port: this.#options.port }, () => {
        this.#server.off('error', fail);
        resolve(null);
      });
    });
  }
}
