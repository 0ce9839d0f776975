import { readFileSync } from 'node:fs';
import { openConnection } from '#hub/store/sqlite/open.ts';

// Holds a write transaction on the hub's store, as a stuck backup tool would: the hub's writer waits for it.

const setup = JSON.parse(process.argv[2] ?? '') as { readonly path: string; readonly keyFile: string };

const key = readFileSync(setup.keyFile);
// Of the module, not of the handler: a connection that is collected gives its lock up.
const connection = openConnection({ path: setup.path, key }, { mode: 'write', cacheKib: 256 });

process.on('message', () => {
  connection.exec('begin immediate');
  process.send?.('held');
});
process.on('disconnect', () => process.exit());
