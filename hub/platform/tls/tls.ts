import { randomBytes, X509Certificate } from 'node:crypto';
import { networkInterfaces, hostname as osHostname } from 'node:os';
import path from 'node:path';
import { assert } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { Clock } from '../clock/clock.ts';
import { makePrivateDirectory, writeFileDurably } from '../files/durable-file.ts';
import type { Logger } from '../log.ts';
import {
  isPermittedAddress,
  type KeyAndCertificate,
  makeAuthority,
  makeServerCertificate,
} from './certificate.ts';
import { type DeviceIdentity, settleDeviceIdentity } from './device-certificates.ts';
import {
  type AuthorityFile,
  authorityFileSchema,
  datesOf,
  readOwn,
  readReplaceable,
  type ServerFile,
  serverFileSchema,
} from './tls-files.ts';

/** The certificate is made anew so long before it ends. */
const renewBeforeMs = 30 * dayMs;
/** Interval of the check of names, addresses and dates: short, so that a new address from the router is covered soon. */
export const certificateCheckMs = 10 * 60_000;
const maxAddresses = 40;

/** Current names and addresses of the hub. Names in lower case. */
export interface WantedNames {
  /** From the configuration: required; if the authority does not cover one, a new authority is made. */
  readonly configured: readonly string[];
  /** The machine's own name; left out when the authority does not cover it. */
  readonly hostname: string;
  readonly addresses: readonly string[];
}

const alwaysPermitted = ['local', 'localhost'];
const covers = (permitted: readonly string[], name: string): boolean =>
  permitted.some((suffix) => name === suffix || name.endsWith(`.${suffix}`));

/** Returns the reason to make a new authority, or undefined. Every phone must then trust the new one. */
export function decideAuthority(
  authority: { readonly dnsNames: readonly string[]; readonly notAfterMs: number } | undefined,
  wanted: WantedNames,
  nowMs: number,
): 'none' | 'ends' | 'namesNotCovered' | undefined {
  if (authority === undefined) return 'none';
  if (authority.notAfterMs - nowMs < renewBeforeMs) return 'ends';
  return wanted.configured.every((name) => covers(authority.dnsNames, name)) ? undefined : 'namesNotCovered';
}

/** The names of the server's certificate, the main one first. */
export function serverNames(authorityNames: readonly string[], wanted: WantedNames): string[] {
  const host = wanted.hostname.toLowerCase().replace(/\.local$/, '');
  const isName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(host);
  const own = isName ? [host, ...(host.includes('.') ? [] : [`${host}.local`])] : [];
  const names = ['hub.local', ...wanted.configured, ...own, 'localhost'].filter((name) =>
    covers(authorityNames, name),
  );
  return [...new Set(names)];
}

/** Returns the reason to issue a new server certificate, or undefined. Addresses that went away do no harm. */
export function decideServerCertificate(
  server:
    | {
        readonly dnsNames: readonly string[];
        readonly addresses: readonly string[];
        readonly notBeforeMs: number;
        readonly notAfterMs: number;
      }
    | undefined,
  wanted: { readonly dnsNames: readonly string[]; readonly addresses: readonly string[] },
  nowMs: number,
): 'none' | 'notYetValid' | 'ends' | 'namesChanged' | 'addressesChanged' | undefined {
  if (server === undefined) return 'none';
  if (nowMs < server.notBeforeMs) return 'notYetValid';
  if (server.notAfterMs - nowMs < renewBeforeMs) return 'ends';
  if (!wanted.dnsNames.every((name) => server.dnsNames.includes(name))) return 'namesChanged';
  return wanted.addresses.every((address) => server.addresses.includes(address))
    ? undefined
    : 'addressesChanged';
}

/** Addresses in the house under which this machine can be reached, and its own. Public ones are not vouched for. */
export function currentAddresses(): string[] {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid, family }) => !internal && (family === 'IPv4' || !scopeid))
    .map(({ address }) => address)
    .filter(isPermittedAddress)
    .sort();
  return [...new Set(['127.0.0.1', '::1', ...found])].slice(0, maxAddresses);
}

export interface TlsOptions {
  /** Private (0700); holds the authority and the server's certificate. */
  readonly directory: string;
  readonly configuredNames: readonly string[];
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  readonly hostname?: () => string;
  readonly addresses?: () => readonly string[];
}

export interface DeviceCertificates {
  current(): Pick<DeviceIdentity, 'key' | 'cert'>;
  onRenewed(listener: () => void): void;
  authorityPem(): string;
}

export interface Tls {
  /** Key and chain that the server shows now. */
  current(): KeyAndCertificate;
  onRenewed(listener: () => void): void;
  /** Certificate that people install to trust the hub, PEM. */
  authorityPem(): string;
  /** SHA-256 of the authority's certificate, to compare with what a phone shows: `AB:CD:...`. */
  authorityFingerprint(): string;
  /** What devices are shown and trust: made when it is asked for first, and followed from then on. */
  forDevices(): Promise<DeviceCertificates>;
  /** Names, addresses and dates are looked at again. True when there is another certificate now. */
  refresh(): Promise<boolean>;
  close(): void;
}

/** Reads, or makes, what `wanted` needs; writes only what changed. */
async function settle(options: TlsOptions, wanted: WantedNames) {
  const { directory, log } = options;
  const nowMs = options.clock.nowMs();
  const authorityFile = path.join(directory, 'authority.json');
  const serverFile = path.join(directory, 'server.json');
  const known = await readOwn(authorityFile, authorityFileSchema);
  const authorityReason = decideAuthority(
    known && { ...known, ...datesOf(known.cert, authorityFile) },
    wanted,
    nowMs,
  );
  let authority = known;
  if (authority === undefined || authorityReason !== undefined) {
    authority = authorityFor(wanted, nowMs);
    await writeFileDurably(authorityFile, JSON.stringify(authority, null, 2));
    log.warn(
      { reason: authorityReason, name: authority.name },
      'certificate authority made: devices must trust it',
    );
  }
  const names = { dnsNames: serverNames(authority.dnsNames, wanted), addresses: wanted.addresses };
  const knownServer =
    authorityReason === undefined
      ? await readReplaceable(serverFile, serverFileSchema, {
          certificates: ({ cert }) => [cert],
          log,
        })
      : undefined;
  const reason = decideServerCertificate(
    knownServer && { ...knownServer, ...datesOf(knownServer.cert, serverFile) },
    names,
    nowMs,
  );
  if (knownServer !== undefined && reason === undefined) return { authority, server: knownServer };
  const made = makeServerCertificate({ authority, authorityName: authority.name, ...names, nowMs });
  const server: ServerFile = { ...made, dnsNames: names.dnsNames, addresses: [...names.addresses] };
  await writeFileDurably(serverFile, JSON.stringify(server, null, 2));
  log.info({ reason, ...names }, 'server certificate made');
  return { authority, server };
}

function authorityFor(wanted: WantedNames, nowMs: number): AuthorityFile {
  const name = `MakrCave hub ${wanted.hostname.slice(0, 30)} ${randomBytes(2).toString('hex')}`;
  const own = serverNames([wanted.hostname.toLowerCase()], wanted);
  const dnsNames = [...new Set([...alwaysPermitted, ...wanted.configured, ...own])];
  return { ...makeAuthority({ commonName: name, dnsNames, nowMs }), name, dnsNames };
}

/**
 * The hub's certificates: an authority of its own, bound to the house's names and addresses, and the server's
 * certificate, made again before it ends and when a name or an address is new (looked at every ten minutes). Throws the
 * Faults `tlsTorn`, `tlsUnreadable`, `diskFull`, `fileNotWritten`.
 */
export async function openTls(options: TlsOptions): Promise<Tls> {
  await makePrivateDirectory(options.directory);
  const log = options.log.child({ subsystem: 'tls' });
  const wanted = (): WantedNames => ({
    configured: options.configuredNames.map((name) => name.toLowerCase()),
    hostname: (options.hostname ?? osHostname)(),
    addresses: (options.addresses ?? currentAddresses)().filter(isPermittedAddress),
  });
  let state = await settle({ ...options, log }, wanted());
  const listeners: (() => void)[] = [];
  const settleDevices = (): Promise<DeviceIdentity> =>
    settleDeviceIdentity(options.directory, state, options.clock.nowMs(), log);
  let ofDevices: DeviceIdentity | undefined;
  let making: Promise<void> | undefined;
  const refresh = async (): Promise<boolean> => {
    const before = state.server.cert;
    state = await settle({ ...options, log }, wanted());
    if (state.server.cert === before) return false;
    if (ofDevices !== undefined) ofDevices = await settleDevices();
    for (const listener of listeners) listener();
    return true;
  };
  const timer = setInterval(() => {
    refresh().catch((error: unknown) => log.error({ err: error }, 'certificates cannot be renewed'));
  }, certificateCheckMs);
  timer.unref();
  return {
    current: () => ({ key: state.server.key, cert: state.server.cert + state.authority.cert }),
    onRenewed: (listener) => void listeners.push(listener),
    authorityPem: () => state.authority.cert,
    authorityFingerprint: () => new X509Certificate(state.authority.cert).fingerprint256,
    async forDevices() {
      making ??= settleDevices().then((made) => void (ofDevices ??= made));
      await making;
      const identity = (): DeviceIdentity => {
        assert(ofDevices !== undefined, 'the certificates for devices were made');
        return ofDevices;
      };
      return {
        current: identity,
        onRenewed: (listener) => void listeners.push(listener),
        authorityPem: () => identity().authorityPem,
      };
    },
    refresh,
    close: () => clearInterval(timer),
  };
}
