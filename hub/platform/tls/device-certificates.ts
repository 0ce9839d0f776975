import { X509Certificate } from 'node:crypto';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { writeFileDurably } from '../files/durable-file.ts';
import type { Logger } from '../log.ts';
import { makeAuthorityCertificate, makeRsaKey, makeServerCertificate } from './certificate.ts';
import { datesOf, readReplaceable, type ServerFile } from './tls-files.ts';

const keyed = z.strictObject({ key: z.string(), cert: z.string() });
const deviceFileSchema = z.strictObject({
  /** SHA-256 of the authority that it goes with. */
  authorityFingerprint: z.string(),
  ecdsaAuthority: z.string(),
  rsaAuthority: keyed.extend({ name: z.string() }),
  rsaServer: keyed.extend({ dnsNames: z.array(z.string()), addresses: z.array(z.string()) }),
});
type DeviceFile = z.infer<typeof deviceFileSchema>;

/** The hub's own authority and certificate, which those for devices follow. */
export interface House {
  readonly authority: {
    readonly key: string;
    readonly cert: string;
    readonly name: string;
    readonly dnsNames: readonly string[];
  };
  readonly server: ServerFile;
}

/** What devices are shown, and what they trust. */
export interface DeviceIdentity {
  /** An ECDSA and an RSA key; the client's hello decides. */
  readonly key: string[];
  /** Without their authority: some clients refuse a chain for its constraints, though they do not need it. */
  readonly cert: string[];
  /** Both authorities as devices take them, PEM. */
  readonly authorityPem: string;
}

/**
 * Makes, or reads, the certificates for devices: the ECDSA one is the hub's own, under the same authority with its
 * constraints not critical; the RSA one has an authority beside it. The RSA keys stay for good: devices remember them.
 */
export async function settleDeviceIdentity(
  directory: string,
  house: House,
  nowMs: number,
  log: Logger,
): Promise<DeviceIdentity> {
  const file = path.join(directory, 'devices.json');
  const known = await readReplaceable(file, deviceFileSchema, {
    certificates: ({ ecdsaAuthority, rsaAuthority, rsaServer }) => [
      ecdsaAuthority,
      rsaAuthority.cert,
      rsaServer.cert,
    ],
    log,
  });
  const settled = await follow(known, house, nowMs);
  if (settled !== known) await writeFileDurably(file, JSON.stringify(settled, null, 2));
  return {
    key: [house.server.key, settled.rsaServer.key],
    cert: [house.server.cert, settled.rsaServer.cert],
    authorityPem: settled.ecdsaAuthority + settled.rsaAuthority.cert,
  };
}

/** The RSA certificate has the names of the hub's own, and is made anew with it. */
function goesWith(known: DeviceFile, server: ServerFile, nowMs: number): boolean {
  const { dnsNames, addresses, cert } = known.rsaServer;
  const dates = datesOf(cert, 'devices.json');
  return (
    dates.notBeforeMs <= nowMs &&
    dates.notAfterMs >= datesOf(server.cert, 'server.json').notAfterMs &&
    isDeepStrictEqual([dnsNames, addresses], [server.dnsNames, server.addresses])
  );
}

async function makeAuthorities(
  known: DeviceFile | undefined,
  { authority }: House,
  nowMs: number,
): Promise<Pick<DeviceFile, 'authorityFingerprint' | 'ecdsaAuthority' | 'rsaAuthority'>> {
  const own = new X509Certificate(authority.cert);
  const common = {
    dnsNames: authority.dnsNames,
    nowMs,
    notAfterMs: own.validToDate.getTime(),
    constraintsAreCritical: false,
  };
  const { key, name } = known?.rsaAuthority ?? { key: await makeRsaKey(), name: `${authority.name} RSA` };
  return {
    authorityFingerprint: own.fingerprint256,
    ecdsaAuthority: makeAuthorityCertificate({ ...common, key: authority.key, commonName: authority.name }),
    rsaAuthority: { key, name, cert: makeAuthorityCertificate({ ...common, key, commonName: name }) },
  };
}

/** Answers `known` where it goes with the hub's own; else what was made anew. */
async function follow(known: DeviceFile | undefined, house: House, nowMs: number): Promise<DeviceFile> {
  const { fingerprint256 } = new X509Certificate(house.authority.cert);
  const isSameAuthority = known?.authorityFingerprint === fingerprint256;
  if (known !== undefined && isSameAuthority && goesWith(known, house.server, nowMs)) return known;
  const authorities =
    known !== undefined && isSameAuthority ? known : await makeAuthorities(known, house, nowMs);
  const { dnsNames, addresses } = house.server;
  const made = makeServerCertificate({
    authority: authorities.rsaAuthority,
    authorityName: authorities.rsaAuthority.name,
    dnsNames,
    addresses,
    nowMs,
    key: known?.rsaServer.key ?? (await makeRsaKey()),
  });
  return { ...authorities, rsaServer: { ...made, dnsNames, addresses } };
}
