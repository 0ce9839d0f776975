import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { openPolicyStore } from '#bridge/policy-store.ts';
import { readOrMakeKey } from '#hub/platform/keys.ts';
import { openSimulatedPanel } from '#bridge/gpio/simulated-panel.ts';
import { hexToBits } from '#hub/domains/access/card-rules.ts';
import { cardNumber, makePolicy } from './policy-fixtures.ts';
import { createBroker } from '#hub/mqtt/broker.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { writeFileSync } from 'node:fs';
const state = mkdtempSync('/tmp/rss-'); mkdirSync(join(state, 'bridge'), { mode: 0o700 }); mkdirSync(join(state, 'hub'));
const key = await readOrMakeKey(join(state, 'bridge/bridge.key'));
const policy = makePolicy(Array.from({ length: 50_000 }, (_, number) => ({ number })), { settings: { onStalePolicy: 'grant', onUntrustedClock: 'ignoreWindows', accessTimeSeconds: 1 } });
await openPolicyStore(join(state, 'bridge'), key).save(policy);
const bridgeId = newId(); writeFileSync(join(state, 'bridge/device.json'), JSON.stringify({ bridgeId, token: 't' }));
let acked = 0; let events = 0;
if (process.argv[2] === 'hub') {
const broker = await createBroker({ log: createLog({ level: 'silent' }) });
broker.handledBy({ authenticate: async () => bridgeId, onConnected: () => {}, onDisconnected: () => {}, onMessage: {
  hello: async () => { broker.send(bridgeId, 'welcome', { ackedSeq: acked, policy: { epoch: 1, revision: 1 }, wallMs: Date.now(), clockTrust: 'ntp' } as never); },
  events: async (_i, p) => { for (const e of p.events) { acked = e.seq; events++; } broker.send(bridgeId, 'ack', { journalId: p.journalId, seq: acked }); },
  'policy-ask': async () => {}, 'policy-next': async () => {}, 'policy-applied': async () => {}, reply: async () => {}, state: async () => {} } } as never);
await broker.listen(join(state, 'hub/mqtt.sock'));
}
const t = performance.now();
const child = spawn(process.execPath, ['firmware-bridge/main.ts', '--config', 'config/bridge.example.yaml', '--state', state], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, MAKRCAVE_BRIDGE_LOG_LEVEL: 'info' } });
await new Promise<void>((r) => child.stdout.on('data', (d: Buffer) => { if (process.argv[3]) process.stdout.write(d); if (d.includes('doors are served')) r(); }));
console.log('start to served', performance.now() - t);
const rss = () => { const s = readFileSync(`/proc/${child.pid}/status`, 'utf8'); return [/VmRSS:\s+(\d+)/.exec(s)![1], /RssAnon:\s+(\d+)/.exec(s)![1], /RssFile:\s+(\d+)/.exec(s)![1], /RssShmem:\s+(\d+)/.exec(s)![1]].map((k) => Math.round(Number(k) / 1024)).join('/'); };
await new Promise((r) => setTimeout(r, 4000));
console.log('rss after start', rss());
const panel = await openSimulatedPanel(join(state, 'sim')) as any;
const taps = Number(process.argv[4] ?? 20000);
for (let i = 0; i < taps; i++) {
  const { hex, bits } = cardNumber(i % 50000);
  panel.tapFrame({ bits: hexToBits(hex, bits).join(''), d0: 5, d1: 6, bitIntervalUs: 1000 }, { kind: 'written' });
  await new Promise((r) => setTimeout(r, 29));
  if (i % (taps / 10) === 0) console.log(i, 'rss', rss(), 'events at hub', events);
}
await new Promise((r) => setTimeout(r, 3000));
console.log('end rss', rss(), 'events', events);
child.kill('SIGTERM');
await new Promise((r) => child.once('exit', r));
process.exit(0);
