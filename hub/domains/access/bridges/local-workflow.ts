import { existsSync } from 'node:fs';
import path from 'node:path';
import { makePrivateDirectory, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { BridgeDeps } from './deps.ts';
import { ensureLocalBridge, listBridges, renewToken } from './workflow.ts';

const localBridgeName = 'This box';

/**
 * Pairs the bridge on this machine by its device file, which is written with the first bridge. A file that was lost (or
 * never written, because of a power cut) is replaced together with its token.
 */
export async function pairLocalBridge(
  deps: BridgeDeps,
  { stateDir, log }: { readonly stateDir: string; readonly log: Logger },
): Promise<void> {
  const file = path.resolve(stateDir, 'bridge/device.json');
  let made = await ensureLocalBridge(deps, localBridgeName);
  if (made === null && !existsSync(file)) {
    const local = (await listBridges(deps)).find((bridge) => bridge.name === localBridgeName);
    if (local === undefined) return;
    const renewed = await renewToken(deps, { kind: 'system' }, local.id);
    made = renewed.ok ? renewed.value : null;
  }
  if (made === null) return;
  await makePrivateDirectory(path.dirname(file));
  const device = { bridgeId: made.bridgeId, token: made.token };
  await writeFileDurably(file, Buffer.from(`${JSON.stringify(device, null, 2)}\n`), 0o600);
  log.info({ bridgeId: made.bridgeId, file }, 'local bridge paired');
}
