import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { type BridgeRefusal, type CommandBody, refuseOutcome } from '../controllers/commands.ts';
import type { AccessParts } from '../parts.ts';
import type { readerAnswerSchema, switchOutputSchema } from './schema.ts';
import { findReader } from './view.ts';

interface NoOutput extends Refusal<'noOutput'> {
  /** How many it has. */
  readonly title: string;
}
export type ReaderRefusal =
  | Refusal<'readerNotFound'>
  | Refusal<'noLamp'>
  | NoOutput
  | Refusal<'notPairable'>
  | Refusal<'readerOffline'>
  | BridgeRefusal;
type Answer = Promise<Result<z.input<typeof readerAnswerSchema>, ReaderRefusal>>;

interface ReaderOrder {
  readonly action: string;
  readonly facts: { readonly output?: number; readonly seconds?: number };
  readonly command: (readerKey: string) => CommandBody;
  /** What happens now, once the bridge has taken it up. */
  readonly sentence: (readerKey: string) => string;
}

const toldAsTheyAre = ['notPairable', 'readerOffline', 'noLamp'] as const;
const isToldAsItIs = (code: string): code is (typeof toldAsTheyAre)[number] =>
  toldAsTheyAre.some((told) => told === code);

/** Has a reader do something. It is in the audit log before it is sent. */
async function orderReader(parts: AccessParts, actor: Actor, id: string, order: ReaderOrder): Answer {
  const commandId = parts.newId();
  const ordered = await parts.store.transact(order.action, async (tx) => {
    const place = await findReader(tx, id);
    if (place === null) return refuse({ code: 'readerNotFound' });
    if (!parts.link.isConnected(place.bridgeId)) return refuse({ code: 'notConnected' });
    await recordAudit(tx, {
      actor,
      action: order.action,
      target: { table: 'portal', id: place.portal.id },
      payload: { commandId, readerKey: place.readerKey, ...order.facts },
    });
    return ok(place);
  });
  if (!ordered.ok) return ordered;
  const { bridgeId, readerKey } = ordered.value;
  const outcome = await parts.commands.send(bridgeId, order.command(readerKey), {
    commandId,
    timeoutMs: 2_000,
  });
  if (outcome.kind === 'done') return ok({ commandId, sentence: order.sentence(readerKey) });
  if (outcome.kind === 'refused' && isToldAsItIs(outcome.code)) return refuse({ code: outcome.code });
  if (outcome.kind === 'refused' && outcome.code === 'noOutput') {
    const outputs = parts.live.reader(bridgeId, readerKey)?.outputs.length ?? 0;
    return refuse({ code: 'noOutput', title: `${readerKey} has ${countInWords(outputs, 'output')}` });
  }
  return refuse(refuseOutcome(outcome));
}

const countInWords = (count: number, what: string): string => {
  if (count === 0) return `no ${what}`;
  return count === 1 ? `one ${what} only` : `${count} ${what}s only`;
};

const minutesInWords = (seconds: number): string => {
  if (seconds % 60 !== 0) return `${seconds} seconds`;
  return seconds === 60 ? 'one minute' : `${seconds / 60} minutes`;
};

/** For some time the reader may be given a key of its own. Replaces a pairing of it that is under way. */
export const pairReader = (parts: AccessParts, actor: Actor, id: string, seconds: number): Answer =>
  orderReader(parts, actor, id, {
    action: 'reader.pair',
    facts: { seconds },
    command: (readerKey) => ({ kind: 'pairReader', readerKey, seconds }),
    sentence: (readerKey) =>
      `For ${minutesInWords(seconds)} ${readerKey} may get a key of its own: put the reader into install mode.`,
  });

/** The reader gets no new key any more; one that it has got stays. */
export const cancelPairing = (parts: AccessParts, actor: Actor, id: string): Answer =>
  orderReader(parts, actor, id, {
    action: 'reader.cancelPairing',
    facts: {},
    command: (readerKey) => ({ kind: 'cancelPairing', readerKey }),
    sentence: (readerKey) => `${readerKey} gets no new key any more; a key that it has got stays.`,
  });

/** Lamp and buzzer as after a grant; the door stays as it is. */
export const testReader = (parts: AccessParts, actor: Actor, id: string): Answer =>
  orderReader(parts, actor, id, {
    action: 'reader.test',
    facts: {},
    command: (readerKey) => ({ kind: 'testReader', readerKey }),
    sentence: (readerKey) =>
      `${readerKey} shows its lamp and sounds its buzzer as after a grant; the door stays as it is.`,
  });

/** An output of the reader itself, from 1, is on for so long and then as it was before. */
export const switchOutput = (
  parts: AccessParts,
  actor: Actor,
  id: string,
  { output, seconds }: z.output<typeof switchOutputSchema>,
): Answer =>
  orderReader(parts, actor, id, {
    action: 'reader.switchOutput',
    facts: { output, seconds },
    command: (readerKey) => ({ kind: 'switchOutput', readerKey, output, seconds }),
    sentence: (readerKey) =>
      `Output ${output} of ${readerKey} is switched on for ${seconds} s and then goes back by itself.`,
  });
