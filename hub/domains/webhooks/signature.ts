import { createHmac, randomBytes } from 'node:crypto';

const secretBytes = 32;

export const newSecret = (): Uint8Array => new Uint8Array(randomBytes(secretBytes));

/** As receivers enter it: `whsec_` and base64 (Standard Webhooks, "Signature scheme"). */
export const secretToText = (secret: Uint8Array): string => `whsec_${Buffer.from(secret).toString('base64')}`;

/**
 * The headers that prove who sent a message and that it was not changed (Standard Webhooks): a signature for each secret.
 * @param atMs when this attempt is made, UTC ms
 */
export function signedHeaders(
  message: { readonly id: string; readonly body: string; readonly atMs: number },
  secrets: readonly Uint8Array[],
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(message.atMs / 1000));
  const signed = `${message.id}.${timestamp}.${message.body}`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  );
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}
