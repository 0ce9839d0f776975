import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { readerIdSchema } from '../controllers/reader-id-schema.ts';
import type { ReaderDeps } from './deps.ts';
import { pairReaderSchema, readerAnswerSchema, readerSchema, switchOutputSchema } from './schema.ts';
import { listReaders } from './view.ts';
import { cancelPairing, pairReader, switchOutput, testReader } from './workflow.ts';

const base = '/api/access-control/readers';
const tag = 'readers';
const params = z.strictObject({ id: readerIdSchema });
const orderRefusals = [
  'readerNotFound',
  'notConnected',
  'noAnswer',
  'notPairable',
  'readerOffline',
  'noLamp',
  'noOutput',
  'bridgeRefused',
] as const;

export const readerEndpoints = (deps: ReaderDeps): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'Readers of all doors: reachable or not and why, secure channel, what they counted',
    tag,
    access: { permission: 'portal.read' },
    response: pageOf(readerSchema),
    refusals: [],
    handle: async () => ok({ items: await listReaders(deps), nextCursor: null }),
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/pair`,
    actsOutside: true,
    summary: 'Let a reader get a key of its own, for some time',
    description:
      'Within that time the controller gives a reader that is in install mode a random key. While that happens, and only then, somebody at the cable could overhear the key. `reader.state` says how it goes.',
    tag,
    access: { permission: 'portal.manage' },
    params,
    body: pairReaderSchema,
    response: readerAnswerSchema,
    refusals: orderRefusals,
    async handle(call) {
      return await pairReader(deps, actorOf(call.principal), call.params.id, call.body.seconds);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/cancel-pairing`,
    actsOutside: true,
    summary: 'Let a reader get no key any more',
    tag,
    access: { permission: 'portal.manage' },
    params,
    response: readerAnswerSchema,
    refusals: orderRefusals,
    async handle(call) {
      return await cancelPairing(deps, actorOf(call.principal), call.params.id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/test`,
    actsOutside: true,
    summary: "Try a reader's lamp and buzzer; the door stays as it is",
    tag,
    access: { permission: 'portal.manage' },
    params,
    response: readerAnswerSchema,
    ratePerMinute: 60,
    refusals: orderRefusals,
    async handle(call) {
      return await testReader(deps, actorOf(call.principal), call.params.id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/switch-output`,
    actsOutside: true,
    summary: 'Switch an output of a reader on for some seconds; then it goes back by itself',
    description: 'The level that came of it is in `outputs` of the reader and in `reader.state`.',
    tag,
    access: { permission: 'portal.manage' },
    params,
    body: switchOutputSchema,
    response: readerAnswerSchema,
    ratePerMinute: 60,
    refusals: orderRefusals,
    async handle(call) {
      return await switchOutput(deps, actorOf(call.principal), call.params.id, call.body);
    },
  }),
];
