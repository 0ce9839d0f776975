import { z } from 'zod';
import type { RawEndpoint } from '../endpoint/raw-endpoint.ts';

/** `GET /ca.crt`: what a phone or computer installs to trust the hub. */
export function authorityEndpoint(tls: { authorityPem(): string }): RawEndpoint {
  return {
    path: '/ca.crt',
    summary: 'The certificate of this hub’s own authority, PEM',
    tag: 'system',
    access: { open: 'a certificate is public, and a device needs it before it can sign in safely' },
    ratePerMinute: 60,
    mediaType: 'application/x-x509-ca-cert',
    response: z.string(),
    serve: () =>
      Promise.resolve({
        status: 200,
        headers: {
          'Content-Type': 'application/x-x509-ca-cert',
          'Content-Disposition': 'attachment; filename="makrcave-hub.crt"',
        },
        body: tls.authorityPem(),
      }),
  };
}
