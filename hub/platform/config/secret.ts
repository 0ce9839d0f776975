import { inspect } from 'node:util';
import { z } from 'zod';

const hidden = '[secret]';

/** A value that no log, error or JSON shows; only `reveal` gives it out, where it is used. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return hidden;
  }
  toJSON(): string {
    return hidden;
  }
  [inspect.custom](): string {
    return hidden;
  }
}

/** A secret in a configuration: a text that becomes a `Secret`. */
export const secretSchema = z
  .string()
  .min(1)
  .transform((text) => new Secret(text));
