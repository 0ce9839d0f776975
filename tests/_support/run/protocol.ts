import type { PostgresAddress } from '../postgres.ts';
import type { UiBuild } from './build-ui.ts';

/** Values that a test file may ask for, by name. */
export interface SharedValues {
  readonly ui: UiBuild;
  readonly browser: { readonly wsEndpoint: string };
  readonly 'postgres-15': PostgresAddress;
  readonly 'postgres-18': PostgresAddress;
}

export interface Request {
  readonly want: keyof SharedValues;
  /** Number of the worker that asks; each has a browser and a server of its own. */
  readonly worker: string;
}

export type Answer = { readonly value: unknown } | { readonly problem: string };

export interface Kept {
  readonly value: unknown;
  close(): Promise<void>;
}

export interface Maker {
  readonly perWorker: boolean;
  /** @param onLost to be called when it ended by itself, so that the next file gets another one */
  make(onLost: () => void): Promise<Kept>;
}
