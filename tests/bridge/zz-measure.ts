import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DoorThread } from '#bridge/door-thread.ts';
import { Journal } from '#bridge/journal.ts';
import { JournalReader } from '#bridge/journal-reader.ts';
import { openJournalDisk } from '#bridge/journal-disk.ts';
import { lineRequests } from '#bridge/line-requests.ts';
import { PolicyAge } from '#bridge/policy.ts';
import { bridgeConfigSchema } from '#bridge/config.ts';
import { TestTime } from './bridge-fixtures.ts';
import { MemoryGpio } from './memory-gpio.ts';
import { cardNumber, makePolicy } from './policy-fixtures.ts';
const f = mkdtempSync('/tmp/measure-');
const key = randomBytes(32);
const config = bridgeConfigSchema.parse({ portals: [{ key: 'front', name: 'x', readers: [{ key: 'front-reader', wiring: { kind: 'wiegand', d0: 5, d1: 6 } }], strike: { line: 17, failMode: 'secure' } }] });
for (const n of [1000, 10_000, 100_000]) {
  const dir = join(f, String(n)); mkdirSync(dir);
  const time = new TestTime();
  const journal = await Journal.open({ disk: openJournalDisk(dir), key, bootId: randomUUID(), maxBytes: 1e9, trustedNowMs: () => 0, later: time.later });
  const gpio = new MemoryGpio(lineRequests(config));
  const age = new PolicyAge(time, null); age.confirm();
  const thread = new DoorThread({ config, clock: time, later: time.later, journal, gpio, policyAge: age, reply: () => {}, onChange: () => {}, onFault: (w, e) => console.log(w, e), tap: null, recentCommandIds: [] });
  thread.swapPolicy(makePolicy(Array.from({ length: n }, (_, i) => ({ number: i }))), false);
  thread.start();
  const us: number[] = [];
  const io0 = Number(/write_bytes: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  const wc0 = Number(/wchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  const taps = 5000;
  for (let i = 0; i < taps; i++) {
    const card = cardNumber((i * 7919) % n);
    const t = process.hrtime.bigint();
    gpio.tap(card);
    us.push(Number(process.hrtime.bigint() - t) / 1000);
    time.advance(6000);
    await new Promise((r) => setImmediate(r));
  }
  const io1 = Number(/write_bytes: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  const wc1 = Number(/wchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  us.sort((a, b) => a - b);
  console.log(n, 'p50', us[taps / 2], 'p99', us[Math.floor(taps * 0.99)], 'max', us.at(-1), 'events', journal.lastSeq, 'bytes/tap block', (io1 - io0) / taps, 'wchar', (wc1 - wc0) / taps);
  while (journal.syncedSeq !== journal.lastSeq) await new Promise((r) => setTimeout(r, 10));
  await journal.close();
}
{
  const dir = join(f, 'big'); mkdirSync(dir);
  const time = new TestTime();
  const open = () => Journal.open({ disk: openJournalDisk(dir), key, bootId: randomUUID(), maxBytes: 1e9, trustedNowMs: () => 0, later: time.later });
  const journal = await open();
  const { fullGrant } = await import('./bridge-fixtures.ts');
  let t = performance.now();
  for (let i = 0; i < 200_000; i++) { while (journal.append(fullGrant()) === null) await new Promise((r) => setImmediate(r)); if (i % 500 === 0) await new Promise((r) => setImmediate(r)); }
  while (journal.syncedSeq !== journal.lastSeq) await new Promise((r) => setTimeout(r, 10));
  console.log('1M appended in', performance.now() - t, 'seq', journal.lastSeq, 'lost', journal.lostEvents);
  await journal.close();
  t = performance.now();
  const again = await open();
  console.log('open 1M', performance.now() - t);
  const reader = new JournalReader(openJournalDisk(dir), key, again.journalId);
  t = performance.now();
  let at = 1; let bytes = 0;
  for (;;) { const e = reader.readFrom(at, 500); if (e.length === 0) break; at += e.length; bytes += JSON.stringify(e).length; }
  console.log('1M read+json', performance.now() - t, 'at', at, 'bytes', bytes);
  await again.close();
}
