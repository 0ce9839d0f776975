import { createHash } from 'node:crypto';

/** What the store keeps of a bridge's token. 256 random bits need no slow hash. */
export const hashToken = (token: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(token).digest());
