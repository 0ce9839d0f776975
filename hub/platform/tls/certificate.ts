import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { BlockList, isIPv4 } from 'node:net';
import { promisify } from 'node:util';
import { assert } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import * as der from './der.ts';

/** A client whose clock is a little behind still finds the certificate valid. */
const backdatedMs = dayMs;
const authorityLifetimeMs = 3650 * dayMs;
/** Browsers refuse server certificates of more than 398 days (825 under an authority of one's own). */
const serverLifetimeMs = 397 * dayMs;

const oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  rsaWithSha256: '1.2.840.113549.1.1.11',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** Addresses that the authority may vouch for: a house's own, this machine's, and none of the internet's. */
export const permittedNetworks = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
] as const;

const permitted = new BlockList();
for (const [network, prefix] of permittedNetworks)
  permitted.addSubnet(network, prefix, isIPv4(network) ? 'ipv4' : 'ipv6');
export const isPermittedAddress = (address: string): boolean =>
  permitted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');

/** A key and its certificate, both PEM. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groupsOf = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groupsOf(head);
  const after = groupsOf(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...before, ...zeros, ...after].entries())
    bytes.writeUInt16BE(group, index * 2);
  return bytes;
}

function maskBytes(length: number, prefix: number): Buffer {
  const mask = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1)
    mask[index] = 0xff & ~(0xff >> Math.min(8, Math.max(0, prefix - index * 8)));
  return mask;
}

const dnsName = (name: string): Buffer => der.context(2, false, Buffer.from(name, 'ascii'));
const ipName = (...bytes: readonly Uint8Array[]): Buffer => der.context(7, false, ...bytes);

const distinguishedName = (commonName: string): Buffer =>
  der.sequence(
    der.set(der.sequence(der.objectId(oid.organization), der.utf8('MakrCave'))),
    der.set(der.sequence(der.objectId(oid.commonName), der.utf8(commonName))),
  );

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  der.sequence(der.objectId(id), ...(critical ? [der.isTrue] : []), der.octets(value));

const publicKeyBytes = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const keyIdOf = (key: KeyObject): Buffer =>
  createHash('sha256').update(publicKeyBytes(key)).digest().subarray(0, 20);

const isRsa = (key: KeyObject): boolean => key.asymmetricKeyType === 'rsa';

interface ToSign {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Buffer[];
}

function signCertificate(parts: ToSign): string {
  const algorithm = isRsa(parts.signingKey)
    ? der.sequence(der.objectId(oid.rsaWithSha256), der.nothing)
    : der.sequence(der.objectId(oid.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const toBeSigned = der.sequence(
    der.context(0, true, der.integer(Buffer.of(2))),
    der.integer(serial),
    algorithm,
    parts.issuer,
    der.sequence(der.time(parts.notBeforeMs), der.time(parts.notAfterMs)),
    parts.subject,
    publicKeyBytes(parts.publicKey),
    der.context(3, true, der.sequence(...parts.extensions)),
  );
  const certificate = der.sequence(
    toBeSigned,
    algorithm,
    der.bits(sign('sha256', toBeSigned, parts.signingKey)),
  );
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const makeKeyPair = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });
const toPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** RSA 2048 for devices that know nothing else; takes a slow machine seconds, away from the main thread. */
export const makeRsaKey = async (): Promise<string> =>
  toPem((await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey);

/**
 * A certificate authority (ECDSA P-256, ten years) that can vouch only for `dnsNames`, what lies below them, and private
 * addresses: whoever trusts it trusts the hub with nothing else (RFC 5280, 4.2.1.10).
 */
export function makeAuthority(options: {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly nowMs: number;
}): KeyAndCertificate {
  const key = toPem(makeKeyPair().privateKey);
  const notAfterMs = options.nowMs + authorityLifetimeMs;
  return {
    key,
    cert: makeAuthorityCertificate({ ...options, key, notAfterMs, constraintsAreCritical: true }),
  };
}

/**
 * An authority's certificate for a key that is there. Constraints that are not critical bind whoever knows them, as
 * browsers and OpenSSL do, and let clients in that refuse what they do not know, as mbedTLS does.
 */
export function makeAuthorityCertificate(options: {
  readonly key: string;
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly nowMs: number;
  readonly notAfterMs: number;
  readonly constraintsAreCritical: boolean;
}): string {
  const privateKey = createPrivateKey(options.key);
  const publicKey = createPublicKey(privateKey);
  const name = distinguishedName(options.commonName);
  const subtrees = [
    ...options.dnsNames.map((dns) => der.sequence(dnsName(dns))),
    ...permittedNetworks.map(([network, prefix]) => {
      const address = addressBytes(network);
      return der.sequence(ipName(address, maskBytes(address.length, prefix)));
    }),
  ];
  return signCertificate({
    subject: name,
    issuer: name,
    publicKey,
    signingKey: privateKey,
    notBeforeMs: options.nowMs - backdatedMs,
    notAfterMs: options.notAfterMs,
    extensions: [
      extension(oid.basicConstraints, true, der.sequence(der.isTrue, der.integer(Buffer.of(0)))),
      // keyCertSign (5) and cRLSign (6).
      extension(oid.keyUsage, true, der.bits(Buffer.of(0x06), 1)),
      extension(
        oid.nameConstraints,
        options.constraintsAreCritical,
        der.sequence(der.context(0, true, ...subtrees)),
      ),
      extension(oid.subjectKeyId, false, der.octets(keyIdOf(publicKey))),
    ],
  });
}

/**
 * A server's certificate for these names and addresses, signed by the authority; 397 days. For a new ECDSA key, or the
 * given one.
 */
export function makeServerCertificate(options: {
  readonly authority: KeyAndCertificate;
  readonly authorityName: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly nowMs: number;
  readonly key?: string;
}): KeyAndCertificate {
  const [firstName] = options.dnsNames;
  assert(firstName !== undefined, 'a server certificate has a name');
  const privateKey = options.key === undefined ? makeKeyPair().privateKey : createPrivateKey(options.key);
  const publicKey = createPublicKey(privateKey);
  const names = [
    ...options.dnsNames.map(dnsName),
    ...options.addresses.map((address) => ipName(addressBytes(address))),
  ];
  const authorityCertificate = new X509Certificate(options.authority.cert);
  const cert = signCertificate({
    subject: distinguishedName(firstName),
    issuer: distinguishedName(options.authorityName),
    publicKey,
    signingKey: createPrivateKey(options.authority.key),
    notBeforeMs: options.nowMs - backdatedMs,
    notAfterMs: Math.min(options.nowMs + serverLifetimeMs, authorityCertificate.validToDate.getTime()),
    extensions: [
      extension(oid.basicConstraints, true, der.sequence()),
      // digitalSignature (0); old clients want keyEncipherment (2) of RSA, whatever the suite.
      extension(
        oid.keyUsage,
        true,
        isRsa(publicKey) ? der.bits(Buffer.of(0xa0), 5) : der.bits(Buffer.of(0x80), 7),
      ),
      extension(oid.extendedKeyUsage, false, der.sequence(der.objectId(oid.serverAuth))),
      extension(oid.subjectAltName, false, der.sequence(...names)),
      extension(oid.subjectKeyId, false, der.octets(keyIdOf(publicKey))),
      extension(
        oid.authorityKeyId,
        false,
        der.sequence(der.context(0, false, keyIdOf(authorityCertificate.publicKey))),
      ),
    ],
  });
  return { key: toPem(privateKey), cert };
}
