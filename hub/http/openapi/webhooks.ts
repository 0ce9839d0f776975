import type { z } from 'zod';
import { exampleOf } from './examples.ts';
import { type Components, type Json, toJsonSchema } from './schemas.ts';

/** A message that the hub sends to others. */
export interface DescribedWebhook {
  readonly topic: string;
  readonly description: string;
  readonly permission: string;
  readonly body: z.ZodType;
}

const header = (name: string, description: string, example: string): Json => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example,
});

/** Standard Webhooks, "Webhook metadata" and "Signature scheme". */
const headers: readonly Json[] = [
  header('webhook-id', 'The same in every attempt: take each once.', '019f9c1e-3e8a-7c55-9d3e-0f4b3a1c2d5e'),
  header(
    'webhook-timestamp',
    'When this attempt is made, seconds since 1970 by the hub’s clock. Refuse what is far off, unless you can live with repetitions: a hub that does not know the time says so in `clockTrusted`.',
    '1795348800',
  ),
  header(
    'webhook-signature',
    '`v1,` and base64 of HMAC-SHA-256 over `webhook-id.webhook-timestamp.body` with the secret; after a rotation two of them, separated by a blank. One that fits is enough.',
    'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
  ),
];

/** The section `webhooks` of the document: what the hub sends to the addresses that were entered, by topic. */
export function describeWebhooks(components: Components, webhooks: readonly DescribedWebhook[]): Json {
  return Object.fromEntries(
    webhooks.map(({ topic, description, permission, body }) => {
      const schema = toJsonSchema(components, body, 'output');
      const content = { 'application/json': { schema, example: exampleOf(components, schema) } };
      const operation = {
        operationId: `webhook${topic
          .split('.')
          .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
          .join('')}`,
        summary: description,
        description: `Whoever enters the address needs the permission \`${permission}\`. Signed; see \`POST /api/notifications/webhooks\`.`,
        tags: ['webhooks'],
        parameters: headers,
        requestBody: { required: true, content },
        responses: {
          '2XX': { description: 'Taken. Anything else is tried again.' },
          410: { description: 'Gone for good: the webhook is switched off.' },
        },
      };
      return [topic, { post: operation }];
    }),
  );
}
