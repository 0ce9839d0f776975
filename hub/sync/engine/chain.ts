import { hash } from 'node:crypto';

/** The chain before its first link, hex. */
export const chainStart = '0'.repeat(64);

const linkBytes = 32;

/** The input of a link. */
export interface ChainedRow {
  readonly tbl: string;
  readonly pk: string;
  readonly op: string;
  /** SHA-256 of the row's canonical body, hex; fixed when it was written. */
  readonly digest: string;
}

/**
 * The chain (hex) after one more row of the outbox. It covers digests, so that an erasure changes no link; numbers are
 * not in it, so that it goes on when a hub comes back from an old backup and numbers anew.
 */
export function linkOn(chain: string, { tbl, pk, op, digest }: ChainedRow): string {
  const names = `${tbl}\n${pk}\n${op}\n`;
  const bytes = Buffer.allocUnsafe(2 * linkBytes + Buffer.byteLength(names));
  bytes.write(chain, 0, 'hex');
  const end = linkBytes + bytes.write(names, linkBytes);
  bytes.write(digest, end, 'hex');
  return hash('sha256', bytes, 'hex');
}
