import { Fault } from '#hub/kernel/result.ts';

export type CentralFaultCode =
  /** Network, names, time-outs, a server that starts or stops: try again later. */
  | 'centralUnreachable'
  /** No TLS there, or a certificate that is not to be trusted: a person has to look. */
  | 'centralTlsFailed'
  /** User or password are wrong, or the server does not let this user in from here (SQLSTATE 28xxx). */
  | 'centralLoginFailed'
  /** Whatever else the server answered; `sqlstate` says what. */
  | 'centralError';

/** The server's error, without its `detail`, which quotes rows. */
export interface ServerAnswer {
  /** Five characters (PostgreSQL, appendix A). */
  readonly sqlstate: string;
  readonly message: string;
  /** Where in the statement, in characters from 1; null where the server does not say. */
  readonly position: number | null;
}

/** The central database failed. `answer` is null where the server said nothing, and the cause is the driver's error. */
export class CentralFault extends Fault<CentralFaultCode> {
  readonly answer: ServerAnswer | null;

  constructor(
    code: CentralFaultCode,
    message: string,
    { answer = null, ...options }: ErrorOptions & { readonly answer?: ServerAnswer | null } = {},
  ) {
    super(code, message, options);
    this.answer = answer;
  }

  get sqlstate(): string | null {
    return this.answer?.sqlstate ?? null;
  }
}

const networkWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'it does not answer',
  ENOENT: 'there is no such socket',
};

const certificateWords: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names than this one',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: "its certificate is not valid yet: is this machine's clock right?",
  CERT_REVOKED: 'its certificate was revoked',
};
/** OpenSSL's reasons for "no chain to an authority that we trust". */
const untrusted: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PERMITTED_VIOLATION',
]);

/** Describes a failed TLS handshake; null for any other error. `code` is Node's. */
function tlsWords(code: string): string | null {
  if (untrusted.has(code))
    return `its certificate is not from an authority that is trusted here (${code}): give the authority that signed it`;
  const words = certificateWords[code];
  if (words !== undefined) return words;
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code.startsWith('CERT_') ? code : null;
}

/** The server starts, stops, or was told to drop us. */
const isTransient = (sqlstate: string): boolean =>
  sqlstate.startsWith('08') || ['57P01', '57P02', '57P03'].includes(sqlstate);

const fieldOf = (error: unknown, name: string): string => {
  const value: unknown = error instanceof Error ? Reflect.get(error, name) : undefined;
  return typeof value === 'string' ? value : '';
};

/** Extracts the server's answer from an error; null if the error is not the server's. */
export function serverAnswerOf(error: unknown): ServerAnswer | null {
  if (error instanceof CentralFault) return error.answer;
  const sqlstate = fieldOf(error, 'code');
  if (!(error instanceof Error) || fieldOf(error, 'severity') === '' || !/^[0-9A-Z]{5}$/.test(sqlstate))
    return null;
  const position = Number.parseInt(fieldOf(error, 'position'), 10);
  return { sqlstate, message: error.message, position: Number.isNaN(position) ? null : position };
}

/** Maps any error of the driver to a `CentralFault`. `place` is `HOST:PORT`, for the message. */
export function toCentralFault(error: unknown, place: string): CentralFault {
  if (error instanceof CentralFault) return error;
  const answer = serverAnswerOf(error);
  if (answer !== null) {
    const { sqlstate, message } = answer;
    const code = sqlstate.startsWith('28')
      ? 'centralLoginFailed'
      : isTransient(sqlstate)
        ? 'centralUnreachable'
        : 'centralError';
    return new CentralFault(code, `the central database at ${place} answers: ${message} (${sqlstate})`, {
      answer,
    });
  }
  const code = fieldOf(error, 'code');
  const tls = tlsWords(code);
  if (tls !== null)
    return new CentralFault('centralTlsFailed', `the central database at ${place} is not trusted: ${tls}`, {
      cause: error,
    });
  return unreachable(place, networkWords[code] ?? (code || fieldOf(error, 'message')), { cause: error });
}

export const unreachable = (place: string, reason: string, options?: ErrorOptions): CentralFault =>
  new CentralFault(
    'centralUnreachable',
    `the central database at ${place} cannot be reached: ${reason}`,
    options,
  );
