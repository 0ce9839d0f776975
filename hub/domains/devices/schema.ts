import { z } from 'zod';
import { lineOf } from '#hub/kernel/text.ts';
import { entityShape } from '#hub/kernel/wire.ts';

/** Bytes (UTF-8) of a topic or a filter. */
export const maxTopicBytes = 256;
/** Rights of one device beside its own topics. */
export const maxRights = 32;

export const topicRightSchema = z.strictObject({
  filter: z.string().min(1).max(maxTopicBytes).meta({
    description: 'MQTT topic filter: `+` stands for one level, `#` at the end for all that follow',
    example: 'tele/laser/#',
  }),
  action: z.enum(['publish', 'subscribe']),
});
export type TopicRight = z.infer<typeof topicRightSchema>;

export const usernameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, {
    error: 'must be lower-case letters, digits and hyphens, at most 40, such as "laser-sensor"',
  })
  .meta({ description: 'MQTT user name; the device has the topics devices/<username>/# to itself' });

export const rightsSchema = z.array(topicRightSchema).max(maxRights);

const dropsRefusedSchema = z.boolean().meta({
  description:
    'A message of quality 0 without a right is dropped and shown, instead of ending the connection: for devices that cannot be told what not to send',
});

export const deviceCreateSchema = z.strictObject({
  username: usernameSchema,
  name: lineOf(80),
  rights: rightsSchema.default([]),
  dropsRefused: dropsRefusedSchema.default(false),
});
export type DeviceCreate = z.output<typeof deviceCreateSchema>;

export const devicePatchSchema = z.strictObject({
  version: z.number().int().min(1).meta({ description: 'The version that was read' }),
  name: lineOf(80).optional(),
  rights: rightsSchema.optional(),
  dropsRefused: dropsRefusedSchema.optional(),
});
export type DevicePatch = z.output<typeof devicePatchSchema>;

/** A device or program that speaks MQTT with this hub. */
export const deviceSchema = z.strictObject({
  ...entityShape,
  username: usernameSchema,
  name: z.string(),
  rights: z.array(topicRightSchema),
  dropsRefused: dropsRefusedSchema,
  connections: z.number().int().min(0).meta({ description: 'Open connections now' }),
  lastSeenAt: z.iso.datetime().nullable().meta({ description: 'Last connect or disconnect; null: never' }),
  queued: z.number().int().min(0).meta({ description: 'Messages that wait for it while it is away' }),
  lastDenied: z
    .strictObject({
      at: z.iso.datetime(),
      action: z.enum(['publish', 'subscribe', 'will']),
      topic: z.string(),
    })
    .nullable()
    .meta({ description: 'What it last tried without a right, since the hub started' }),
});
export type Device = z.infer<typeof deviceSchema>;

/** What devices of a make ask for; `{topic}` in a filter stands for the device's own topic. */
export const devicePresetSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  topicCalled: z.string().meta({ description: "What the topic is called in the device's own settings" }),
  topicExample: z.string(),
  rights: z.array(topicRightSchema),
});
export type DevicePreset = z.infer<typeof devicePresetSchema>;

/** The token is the MQTT password. Shown once: the hub keeps only its hash. */
export const deviceTokenSchema = z.strictObject({
  id: entityShape.id,
  username: usernameSchema,
  token: z.string(),
});

/** Where devices connect, for the page and for scripts. */
export const brokerAddressSchema = z.strictObject({
  port: z.number().int().nullable().meta({ description: 'TLS port; null: the listener is off' }),
  hosts: z.array(z.string()),
  fingerprint: z.string().nullable().meta({ description: "SHA-256 of the hub's certificate authority" }),
});
