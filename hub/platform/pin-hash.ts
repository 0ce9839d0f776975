import { argon2, argon2Sync, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** Bytes of a PIN's salt. */
export const pinSaltBytes = 16;
/** Bytes of a PIN's hash: more than any PIN is worth, and two of them fit into a record of the policy. */
export const pinHashBytes = 20;

/**
 * argon2id by OWASP's choice with the least memory: 9 MiB, four passes, one lane. A bridge that checks PINs stays below its
 * bound, and a check takes some 35 ms on a small server, four to six times as long on a Pi. Another choice is another
 * `pinForm`.
 */
const parameters = { memory: 9 * 1024, passes: 4, parallelism: 1, tagLength: pinHashBytes } as const;
/** Says by which parameters a hash was made; stands in the policy's records. */
export const pinForm = 1;

const derive = promisify(argon2);
const inputOf = (pin: string, salt: Uint8Array) => ({ ...parameters, message: pin, nonce: salt });

export type HashPin = (pin: string, salt: Uint8Array) => Promise<Uint8Array>;

/** Hashes PINs off the main thread, one after the other. */
export function createPinHasher(): HashPin {
  let last: Promise<unknown> = Promise.resolve();
  return (pin, salt) => {
    const hashed = last.then(() => derive('argon2id', inputOf(pin, salt)));
    last = hashed.catch(() => undefined);
    return hashed;
  };
}

/** The same in the calling thread, which it holds for as long as it takes: for a Worker of its own. */
export const hashPinSync = (pin: string, salt: Uint8Array): Uint8Array =>
  argon2Sync('argon2id', inputOf(pin, salt));

/** The two hashes of one salt. Where there is no duress PIN the second is random, and nothing tells. */
export interface PinHashes {
  readonly hash: Uint8Array;
  readonly duressHash: Uint8Array;
}

/** Classifies a typed PIN. Always makes both comparisons, each in constant time. */
export function judgePin(typed: Uint8Array, { hash, duressHash }: PinHashes): 'right' | 'duress' | 'wrong' {
  const isRight = timingSafeEqual(typed, hash);
  const isDuress = timingSafeEqual(typed, duressHash);
  return isRight ? 'right' : isDuress ? 'duress' : 'wrong';
}
