import { lookup } from 'node:dns/promises';
import { type ClientRequest, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { DeliveryProblem } from './rules.ts';
import { isAllowedAddress, type Networks, parseNetworks, type Target } from './target-rules.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}
/** All addresses of a host name. Rejects when there is none. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

/** As the system resolves names: hosts file, mDNS and DNS. */
export const resolveBySystem: Resolve = (host) => lookup(host, { all: true });

/** The networks that this machine is in at the moment. */
export const networksOfMachine = (): Networks =>
  parseNetworks(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ cidr }) => cidr)
      .filter((cidr) => cidr !== null),
  );

export interface PostOptions {
  readonly resolve: Resolve;
  /** Networks beyond the internet that may be reached, from the configuration. */
  readonly allowed: Networks;
  readonly ownNetworks: () => Networks;
  /** For the whole attempt: name, connection and answer. */
  readonly timeoutMs: number;
  /** Ends the attempt early. */
  readonly signal: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of the body, made safe to show; null when there is none. */
  readonly excerpt: string | null;
}
export interface PostFailure extends Refusal<DeliveryProblem> {
  /** The system's error code, such as `ECONNREFUSED`. */
  readonly detail: string | null;
}

/** An answer is read so far and not further. */
const maxAnswerBytes = 64 * 1024;
const excerptLength = 200;

const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/** Rejects as soon as the signal aborts: a name that is being resolved cannot be called back. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new Error('aborted'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}

/**
 * The addresses of a target, each of them allowed: with one that is not, none is, since which one a connection would
 * take is for the system to choose.
 */
export async function resolveTarget(
  target: Pick<Target, 'host' | 'isAddress'>,
  { resolve, allowed, ownNetworks, signal }: Omit<PostOptions, 'timeoutMs'>,
): Promise<Result<readonly ResolvedAddress[], PostFailure>> {
  const { host, isAddress } = target;
  let addresses: readonly ResolvedAddress[];
  try {
    addresses = isAddress
      ? [{ address: host, family: host.includes(':') ? 6 : 4 }]
      : await orAborted(resolve(host), signal);
  } catch (error) {
    if (signal.aborted) return refuse({ code: 'timedOut', detail: null });
    return refuse({ code: 'nameNotFound', detail: codeOf(error) });
  }
  if (addresses.length === 0) return refuse({ code: 'nameNotFound', detail: null });
  const networks = { allowed, own: ownNetworks() };
  const bad = addresses.find(({ address }) => !isAllowedAddress(address, networks));
  return bad === undefined ? ok(addresses) : refuse({ code: 'addressRefused', detail: bad.address });
}

/** Answers every question for an address with those that were checked: the name is not resolved a second time. */
const pinned =
  (addresses: readonly ResolvedAddress[]): LookupFunction =>
  (_host, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 4);
  };

const isTlsCode = (code: string | null): boolean =>
  code !== null && /CERT|TLS|SSL|SIGNATURE|ISSUER/.test(code);

/**
 * Sends one POST to a target that lies in the internet or an allowed network. Redirects are not followed, certificates
 * are verified, and the connection goes to an address that was checked and is closed afterwards.
 */
export async function postGuarded(
  target: Target,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  options: PostOptions,
): Promise<Result<PostAnswer, PostFailure>> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const addresses = await resolveTarget(target, { ...options, signal });
  if (!addresses.ok) return addresses;
  const body = Buffer.from(message.body, 'utf8');
  const { promise, resolve: settle } = Promise.withResolvers<Result<PostAnswer, PostFailure>>();
  const make = target.secure ? requestSecure : requestPlain;
  const sent = make({
    host: target.host,
    port: target.port,
    path: target.path,
    method: 'POST',
    headers: { ...message.headers, 'content-length': String(body.length) },
    // A connection of its own: one that was kept would have been checked for an earlier address.
    agent: false,
    lookup: pinned(addresses.value),
    rejectUnauthorized: true,
    signal,
  });
  let answered = false;
  sent.once('response', () => {
    answered = true;
  });
  sent.on('error', (error) => {
    if (answered) return;
    const detail = codeOf(error);
    if (signal.aborted) settle(refuse({ code: 'timedOut', detail: null }));
    else settle(refuse({ code: isTlsCode(detail) ? 'tlsFailed' : 'connectionFailed', detail }));
  });
  readAnswer(sent, (answer) => settle(ok(answer)));
  sent.end(body);
  return await promise;
}

/** The status decides; of the body only the beginning is looked at, and it is not waited for beyond its bound. */
function readAnswer(sent: ClientRequest, take: (answer: PostAnswer) => void): void {
  sent.on('response', (response) => {
    let bytes = 0;
    let beginning = Buffer.alloc(0);
    const finish = (): void => {
      sent.destroy();
      take({
        status: response.statusCode ?? 0,
        retryAfter: response.headers['retry-after'],
        excerpt: toExcerpt(beginning),
      });
    };
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (beginning.length < 4 * excerptLength) beginning = Buffer.concat([beginning, chunk]);
      if (bytes > maxAnswerBytes) finish();
    });
    response.on('end', finish);
    response.on('error', finish);
    response.on('close', finish);
  });
}

function toExcerpt(beginning: Buffer): string | null {
  const text = beginning
    .toString('utf8')
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
  return text === '' ? null : text.slice(0, excerptLength).toWellFormed();
}
