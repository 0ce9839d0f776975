import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { lineOf } from '#hub/kernel/text.ts';
import type { LastingTopic, PermissionName, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { entityShape, pageOf, pageShape } from '#hub/kernel/wire.ts';
import { deliveryProblems } from './rules.ts';

/** Topics that webhooks can subscribe to, in the order of the domains. */
export const lastingTopicsOf = (topics: Readonly<Record<string, TopicSpec>>): readonly LastingTopic[] => {
  const isLasting = (topic: string): topic is LastingTopic => topics[topic]?.lasting === true;
  return Object.keys(topics).filter(isLasting);
};

/** The topic of a message that only tries a webhook out. */
export const pingTopic = 'webhook.ping';
export type MessageTopic = LastingTopic | typeof pingTopic;

const urlSchema = z
  .url({ protocol: /^https?$/, error: 'must be an http or https address' })
  .max(2000)
  .meta({
    description: 'Where events are sent by POST; http or https, any port',
    example: 'https://example.org/hook',
  });
const nameSchema = lineOf(80).meta({ description: 'What people call it' });

/** Builds the body schemas of webhooks with the topics of this hub. */
export function webhookBodySchemasOf(lastingTopics: readonly LastingTopic[]) {
  const topics = z
    .array(z.enum(lastingTopics))
    .min(1)
    .max(lastingTopics.length)
    .transform((chosen) => [...new Set(chosen)])
    .meta({ description: 'What it is told of' });
  return {
    create: z.strictObject({
      name: nameSchema,
      url: urlSchema,
      topics,
      active: z.boolean().default(true),
    }),
    patch: z.strictObject({
      version: z.number().int().min(1),
      name: nameSchema.optional(),
      url: urlSchema.optional(),
      topics: topics.optional(),
      active: z.boolean().optional(),
    }),
  };
}
export type WebhookBodies = ReturnType<typeof webhookBodySchemasOf>;
export type WebhookCreate = z.output<WebhookBodies['create']>;
export type WebhookPatch = z.output<WebhookBodies['patch']>;

export const webhookStates = ['active', 'failing', 'paused', 'ended', 'inactive'] as const;
export type WebhookState = (typeof webhookStates)[number];

const countSchema = z.number().int().min(0);
export const webhookSchema = z
  .strictObject({
    ...entityShape,
    name: z.string(),
    url: z.string(),
    topics: z.array(z.string()),
    active: z.boolean(),
    state: z.enum(webhookStates).meta({
      description:
        'active: all is well; failing: the last attempts failed; paused: they failed for so long that only a probe ' +
        'goes out every hour; ended: the target said that it is gone for good (410); inactive: switched off here',
    }),
    failures: countSchema.meta({ description: 'Attempts in a row that failed' }),
    failingSince: z.iso.datetime().nullable(),
    lastFailure: z.string().nullable(),
    lastSuccessAt: z.iso.datetime().nullable(),
    pending: countSchema.meta({ description: 'Deliveries that wait' }),
    dead: countSchema.meta({ description: 'Deliveries that were given up' }),
    lost: countSchema.meta({ description: 'Dead letters that gave way to newer ones' }),
    previousSecretUntil: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'Until then deliveries carry a signature of the secret before as well' }),
  })
  .meta({ id: 'Webhook', description: 'Somebody outside who is told what happens here' });
export type Webhook = z.infer<typeof webhookSchema>;

const secretSchema = z.string().meta({
  description: 'What receivers verify signatures with (Standard Webhooks); shown this once',
  example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
});
export const webhookSecretSchema = z.strictObject({ webhook: webhookSchema, secret: secretSchema });

export const rotateSecretSchema = z.strictObject({
  overlapHours: z.number().int().min(0).max(168).default(24).meta({
    description:
      'For so many hours deliveries carry a signature of the secret before as well; 0: from now on only the new one',
  }),
});

export const deliveryStates = ['pending', 'delivered', 'dead'] as const;
export const deliverySchema = z.strictObject({
  id: idSchema,
  messageId: z.string().meta({ description: 'The header webhook-id: the same in every attempt' }),
  topic: z.string(),
  state: z.enum(deliveryStates),
  at: z.iso.datetime().meta({ description: 'When it was queued' }),
  attempts: countSchema,
  lastAttemptAt: z.iso.datetime().nullable(),
  nextAttemptAt: z.iso.datetime().nullable(),
  durationMs: countSchema.nullable().meta({ description: 'Of the last attempt, in milliseconds' }),
  responseStatus: z.number().int().nullable().meta({ description: 'HTTP status of the last answer' }),
  problem: z
    .strictObject({ code: z.enum(deliveryProblems), sentence: z.string() })
    .nullable()
    .meta({ description: 'Why the last attempt failed, or why it was given up' }),
  detail: z.string().nullable().meta({
    description: 'The beginning of the last answer that was no success, or what the connection met',
  }),
});
export type Delivery = z.infer<typeof deliverySchema>;
export const deliveryPageSchema = pageOf(deliverySchema);
export const deliveryQuerySchema = z.strictObject({
  ...pageShape,
  state: z.enum(deliveryStates).optional().meta({ description: 'Only deliveries in this state' }),
});

/** All topics, those of the live stream alone among them. */
export const topicListSchemaOf = (permissions: readonly PermissionName[]) =>
  z.strictObject({
    items: z.array(
      z.strictObject({
        topic: z.string(),
        description: z.string(),
        permission: z.enum(permissions).meta({ description: 'Who may learn of it' }),
        webhooks: z.boolean().meta({ description: 'False: a passing state, for the live stream alone' }),
      }),
    ),
  });

/** Builds the schema of a message: type, time and data, as Standard Webhooks recommends. */
export const messageSchemaOf = (topic: string, data: z.ZodType) =>
  z.strictObject({
    type: z.literal(topic),
    timestamp: z.iso.datetime().meta({ description: 'When it was queued, by the hub’s clock' }),
    clockTrusted: z
      .boolean()
      .meta({ description: 'False: the hub does not know the time, and `timestamp` may be wrong' }),
    data,
  });
