import type { AddressInfo } from 'node:net';
import Koa from 'koa';

// The limit that the hub's answers are compared with: Koa alone, one middleware, a body of five letters.

const app = new Koa();
app.use((ctx) => {
  ctx.body = 'hello';
});
const server = app.listen(0, '127.0.0.1');
process.on('message', () => {
  process.send?.({ port: (server.address() as AddressInfo).port, pid: process.pid });
});
process.on('disconnect', () => process.exit());
