import { assert, type Refusal, type Result } from '#hub/kernel/result.ts';
import type { RowMissing, StaleVersion } from './store.ts';

/** The row has changed since the caller read it. */
export interface Stale<T> extends Refusal<'staleVersion'> {
  readonly current: T;
}

/** A field of the request is wrong. */
export interface FieldRefusal<Code extends string> extends Refusal<Code> {
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
}
/** Refuses one field of the body: `fieldRefusal('areaUnknown', 'areaId', 'is no area')`. */
export const fieldRefusal = <Code extends string>(
  code: Code,
  field: string,
  message: string,
): FieldRefusal<Code> => ({
  code,
  errors: [{ pointer: `/body/${field}`, message }],
});

/** Unwraps a write of a row read in the same transaction, which cannot be refused. */
export function assertWritten(written: Result<unknown, StaleVersion | RowMissing>): void {
  assert(written.ok, 'a row that was read in the same transaction is there');
}
