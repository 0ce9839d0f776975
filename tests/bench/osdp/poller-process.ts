import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Exchange } from '#bridge/readers/osdp/peripheral/exchange.ts';
import type { Command } from '#bridge/readers/osdp/wire/commands.ts';
import { type Frame, frameDecoder, mark } from '#bridge/readers/osdp/wire/frame.ts';
import type { Reply } from '#bridge/readers/osdp/wire/replies.ts';
import {
  deriveSessionKeys,
  initialReplyMac,
  panelCryptogram,
  secureSession,
} from '#bridge/readers/osdp/wire/secure-channel.ts';
import { openSerialDevice } from '#bridge/serial/device.ts';

// The least that a card on a secure bus must wait for: a poller that seals POLL, waits for the reply and asks the next
// reader after the silence that the standard wants, and nothing else. It tells the bench when a card's reply was whole.

export interface PollerSetup {
  readonly port: string;
  readonly baudRate: number;
  /** One for each address from 0 on, hex. */
  readonly keys: readonly string[];
}

/** Monotonic ns as text; cycles: all readers asked once. */
export type PollerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'card'; readonly address: number; readonly atNs: string }
  | { readonly kind: 'cycles'; readonly ms: readonly number[] };

const setup = JSON.parse(process.argv[2] ?? '') as PollerSetup;
const tell = (report: PollerReport): void => void process.send?.(report);
/** Longer than any answer here. */
const replyMs = 600;
/** Two characters, as in OSDP 2.2, 5.6. */
const gapMs = (2 * 10_000) / setup.baudRate;

const decoder = frameDecoder(true);
let take: (frame: Frame) => void = () => undefined;
const device = await openSerialDevice(setup.port, setup.baudRate, {
  onBytes(bytes) {
    for (const outcome of decoder.push(bytes)) if (outcome.kind === 'frame') take(outcome.frame);
  },
  onGone: () => process.exit(1),
});

/** Null when nothing came. */
async function ask(exchange: Exchange, command: Command): Promise<Reply | null> {
  const { promise, resolve } = Promise.withResolvers<Reply | null>();
  const timer = setTimeout(() => resolve(null), replyMs);
  take = (frame) => {
    const opened = exchange.open(frame);
    if (opened.kind === 'reply') resolve(opened.reply);
  };
  decoder.reset();
  device.write(Uint8Array.of(mark, ...exchange.begin(command)), () => undefined);
  const reply = await promise;
  clearTimeout(timer);
  return reply;
}

/** A new session, or null when the reader does not answer as it must. */
async function connect(address: number, key: Uint8Array): Promise<Exchange | null> {
  const exchange = new Exchange(address, true);
  const panelRandom = randomBytes(8);
  const challenged = await ask(exchange, { kind: 'challenge', panelRandom, ownKey: true });
  await pause(gapMs);
  if (challenged?.kind !== 'challengeReply') return null;
  const keys = deriveSessionKeys(key, panelRandom);
  const cryptogram = panelCryptogram(keys, panelRandom, challenged.peripheralRandom);
  const proved = await ask(exchange, { kind: 'crypt', cryptogram, ownKey: true });
  await pause(gapMs);
  if (proved?.kind !== 'cryptReply') return null;
  exchange.secure(secureSession(keys, initialReplyMac(keys, cryptogram)));
  return exchange;
}

let cycles: number[] = [];
process.on('message', () => {
  tell({ kind: 'cycles', ms: cycles });
  cycles = [];
});
process.on('disconnect', () => process.exit(0));

const keys = setup.keys.map((key) => Buffer.from(key, 'hex'));
const sessions: (Exchange | null)[] = keys.map(() => null);
let isReady = false;
let cycleFromMs = performance.now();
for (;;) {
  for (const [address, key] of keys.entries()) {
    const exchange = (sessions[address] ??= await connect(address, key));
    if (exchange === null) continue;
    const reply = await ask(exchange, { kind: 'poll' });
    if (reply?.kind === 'card') tell({ kind: 'card', address, atNs: String(process.hrtime.bigint()) });
    if (reply === null) sessions[address] = null;
    await pause(gapMs);
  }
  const nowMs = performance.now();
  if (isReady) cycles.push(nowMs - cycleFromMs);
  cycleFromMs = nowMs;
  if (isReady || !sessions.every((each) => each !== null)) continue;
  isReady = true;
  tell({ kind: 'ready' });
}
