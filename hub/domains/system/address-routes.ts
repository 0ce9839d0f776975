import { hostname } from 'node:os';
import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { currentAddresses } from '#hub/platform/tls/tls.ts';

/** Undefined: it does not listen there. */
export interface ListeningPorts {
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');
const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** Lists the hub's addresses for the console, the set-up and QR codes. */
export const addressEndpoint = (listening: () => ListeningPorts): Endpoint =>
  defineEndpoint({
    method: 'GET',
    path: '/api/system/addresses',
    summary: 'The addresses under which this hub can be opened',
    tag: 'system',
    access: { permission: 'system.read' },
    response: z.strictObject({ http: z.string().nullable(), https: z.array(z.string()) }),
    refusals: [],
    async handle() {
      const { httpPort, httpsPort } = listening();
      const hosts = [
        `${hostname().replace(/\.local$/, '')}.local`,
        ...currentAddresses().filter((address) => !isLoopback(address)),
      ];
      return ok({
        http: httpPort === undefined ? null : `http://localhost:${httpPort}`,
        https: httpsPort === undefined ? [] : hosts.map((host) => `https://${inUrl(host)}:${httpsPort}`),
      });
    },
  });
