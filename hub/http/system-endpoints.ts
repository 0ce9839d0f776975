import { hostname } from 'node:os';
import { z } from 'zod';
import { ok } from '#hub/kernel/result.ts';
import { currentAddresses } from '#hub/platform/tls.ts';
import { defineEndpoint } from './define-endpoint.ts';
import type { Endpoint } from './endpoint.ts';

export interface SystemDeps {
  /** Where the hub listens now. */
  readonly ports: () => { readonly httpPort: number | undefined; readonly httpsPort: number | undefined };
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');
const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** Where the hub can be reached, for the console, the set-up and QR codes. */
export const systemEndpoints = ({ ports }: SystemDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/system/addresses',
    summary: 'The addresses under which this hub can be opened',
    tag: 'system',
    access: { permission: 'system.read' },
    response: z.strictObject({ http: z.string().nullable(), https: z.array(z.string()) }),
    refusals: {},
    async handle() {
      const { httpPort, httpsPort } = ports();
      const hosts = [
        `${hostname().replace(/\.local$/, '')}.local`,
        ...currentAddresses().filter((address) => !isLoopback(address)),
      ];
      return ok({
        body: {
          http: httpPort === undefined ? null : `http://localhost:${httpPort}`,
          https: httpsPort === undefined ? [] : hosts.map((host) => `https://${inUrl(host)}:${httpsPort}`),
        },
      });
    },
  }),
];
