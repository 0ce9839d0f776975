import { once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';
import express from 'express';
import expressPouchdb from 'express-pouchdb';
import PouchDB from 'pouchdb-node';

// A server that PouchDB replicates to, with its own databases on the disk. Any message is answered with its port.

const { folder } = JSON.parse(process.argv[2] ?? '') as { folder: string };
const app = express();
app.use(
  expressPouchdb(PouchDB.defaults({ prefix: `${folder}${path.sep}` }), {
    mode: 'minimumForPouchDB',
    inMemoryConfig: true,
    logPath: path.join(folder, 'log.txt'),
  }),
);
const server = createServer(app);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

process.on('message', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : null });
});
process.on('disconnect', () => process.exit());
