import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fillDemo } from '#hub/demo/fill.ts';
import { demoSizes } from '#hub/demo/sizes.ts';
import { createLog } from '#hub/platform/log.ts';
import { printReport, row, rowAtLeast } from './report.ts';

// The large demo, as `./scripts/start --demo --demo-size large` makes it: how long it takes, and how large the store is.

const limitSeconds = 180;
const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
try {
  const startMs = performance.now();
  const before = process.cpuUsage();
  let shown = 0;
  const { events } = await fillDemo({
    stateDir,
    seed: 1,
    size: demoSizes.large,
    endMs: Date.now(),
    password: 'nine lathes hum in Kreuzberg',
    log: createLog({ level: 'error' }),
    onProgress: (share) => {
      if (share < shown + 0.1) return;
      shown = share;
      process.stderr.write(
        `${Math.round(share * 100)} %, ${Math.round((performance.now() - startMs) / 1000)} s\n`,
      );
    },
  });
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(before);
  const { size } = await stat(path.join(stateDir, 'hub/hub.sqlite'));
  printReport('demo', [
    row('time', seconds, 's', limitSeconds),
    // Both threads together: a busy machine changes it less.
    row('processor time', (user + system) / 1_000_000, 's'),
    row('members', demoSizes.large.members, 'members'),
    rowAtLeast('events', events, 'events', 1_000_000),
    row('events a second', events / seconds, '/s'),
    row('size of the store', size / 1_048_576, 'MiB'),
  ]);
} finally {
  await rm(stateDir, { recursive: true, force: true });
}
