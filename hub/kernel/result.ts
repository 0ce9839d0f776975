/** A refusal is an expected "no": a public code and the facts that explain it. It is a value, never thrown. */
export interface Refusal<Code extends string = string> {
  readonly code: Code;
}

export type Ok<T> = { readonly ok: true; readonly value: T };
export type Refused<R extends Refusal> = { readonly ok: false; readonly refusal: R };
export type Result<T, R extends Refusal> = Ok<T> | Refused<R>;

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });
export const refuse = <const R extends Refusal>(refusal: R): Refused<R> => ({ ok: false, refusal });

/** A fault is something that broke outside our code (disk, serial line, peer). It carries a code and its cause. */
export class Fault<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Fault';
    this.code = code;
  }
}

/** A bug: the process stops and is started again. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Closes a switch over a union: a case left out does not compile. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
