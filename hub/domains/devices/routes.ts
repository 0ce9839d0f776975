import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { devicePresets } from './presets.ts';
import {
  brokerAddressSchema,
  deviceCreateSchema,
  devicePatchSchema,
  devicePresetSchema,
  deviceSchema,
  deviceTokenSchema,
} from './schema.ts';
import type { Devices } from './workflow.ts';

const base = '/api/system/mqtt-devices';
const tag = 'MQTT devices';
const params = z.strictObject({ id: idSchema });
const toRead = { permission: 'system.read' } as const;
const toManage = { permission: 'system.manage' } as const;

/** `address`: where devices connect now. */
export const deviceEndpoints = (
  devices: Devices,
  address: () => z.input<typeof brokerAddressSchema>,
): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'Devices and programs that speak MQTT with this hub, in the order of user names',
    tag,
    access: toRead,
    response: pageOf(deviceSchema),
    refusals: [],
    handle: async () => ok({ items: await devices.list(), nextCursor: null }),
  }),
  defineEndpoint({
    method: 'POST',
    path: base,
    summary: 'Add a device; its token is shown once',
    tag,
    access: toManage,
    body: deviceCreateSchema,
    response: deviceTokenSchema,
    answerIsSecret: true,
    status: 201,
    refusals: ['deviceUsernameTaken', 'tooManyDevices', 'rightInvalid'],
    async handle({ principal, body }) {
      return await devices.create(actorOf(principal), body);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/{id}`,
    summary: 'One device: its rights, when it was last seen, what waits for it',
    tag,
    access: toRead,
    params,
    response: deviceSchema,
    refusals: ['deviceNotFound'],
    async handle(call) {
      return await devices.get(call.params.id);
    },
  }),
  defineEndpoint({
    method: 'PATCH',
    path: `${base}/{id}`,
    summary: 'Change the name or the rights of a device; rights count at once',
    tag,
    access: toManage,
    params,
    body: devicePatchSchema,
    response: deviceSchema,
    refusals: ['deviceNotFound', 'staleVersion', 'rightInvalid'],
    async handle(call) {
      return await devices.change(actorOf(call.principal), call.params.id, call.body);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/renew-token`,
    summary: 'Replace the token of a device; the old one opens nothing any more',
    tag,
    access: toManage,
    params,
    response: deviceTokenSchema,
    answerIsSecret: true,
    refusals: ['deviceNotFound'],
    async handle(call) {
      return await devices.renewToken(actorOf(call.principal), call.params.id);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path: `${base}/{id}`,
    summary: 'Remove a device: its connections, its sessions and what waits for it',
    tag,
    access: toManage,
    params,
    response: z.strictObject({}),
    refusals: ['deviceNotFound'],
    async handle(call) {
      const removed = await devices.remove(actorOf(call.principal), call.params.id);
      return removed.ok ? ok({}) : removed;
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: '/api/system/mqtt',
    summary: 'Where devices connect by MQTT, and the certificate authority that they have to trust',
    tag,
    access: toRead,
    response: brokerAddressSchema,
    refusals: [],
    handle: async () => ok(address()),
  }),
  defineEndpoint({
    method: 'GET',
    path: '/api/system/mqtt-presets',
    summary: 'The rights that common devices ask for, by their make',
    tag,
    access: toRead,
    response: pageOf(devicePresetSchema),
    refusals: [],
    handle: async () =>
      ok({
        items: devicePresets.map((preset) => ({ ...preset, rights: [...preset.rights] })),
        nextCursor: null,
      }),
  }),
];
