import { z } from 'zod';
import type { RawEndpoint } from '../endpoint/raw-endpoint.ts';

const certificateFile = (
  path: string,
  summary: string,
  file: { readonly name: string; readonly read: () => Promise<string> },
): RawEndpoint => ({
  path,
  summary,
  tag: 'system',
  access: { open: 'a certificate is public, and a device needs it before it can sign in safely' },
  ratePerMinute: 60,
  mediaType: 'application/x-x509-ca-cert',
  response: z.string(),
  serve: async () => ({
    status: 200,
    headers: {
      'Content-Type': 'application/x-x509-ca-cert',
      'Content-Disposition': `attachment; filename="${file.name}"`,
    },
    body: await file.read(),
  }),
});

/** `GET /ca.crt`: what a phone or computer installs to trust the hub. */
export const authorityEndpoint = (tls: { authorityPem(): string }): RawEndpoint =>
  certificateFile('/ca.crt', 'The certificate of this hub’s own authority, PEM', {
    name: 'makrcave-hub.crt',
    read: async () => tls.authorityPem(),
  });

/** `GET /ca-devices.crt`: the same trust for MQTT devices, in the form that small TLS stacks take. */
export const deviceAuthorityEndpoint = (tls: {
  forDevices(): Promise<{ authorityPem(): string }>;
}): RawEndpoint =>
  certificateFile('/ca-devices.crt', 'The authorities that MQTT devices have to trust, ECDSA and RSA, PEM', {
    name: 'makrcave-hub-devices.crt',
    read: async () => (await tls.forDevices()).authorityPem(),
  });
