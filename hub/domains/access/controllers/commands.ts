import type { z } from 'zod';
import type { Refusal } from '#hub/kernel/result.ts';
import type { AccessDeps } from '../deps.ts';
import type { cardReadSchema } from '../schema.ts';
import type { FromBridgePayload } from './link.ts';
import type { BridgeCommand, commandRefusals } from './link-schema.ts';

type WithoutStamp<C> = C extends unknown ? Omit<C, 'commandId' | 'expiresAtMs'> : never;
/** A command before it has its id and its last moment. */
export type CommandBody = WithoutStamp<BridgeCommand>;

export type CommandOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'read'; readonly read: z.infer<typeof cardReadSchema> }
  | { readonly kind: 'refused'; readonly code: (typeof commandRefusals)[number] }
  | { readonly kind: 'notConnected' }
  /** It was handed over; whether it was carried out is not known. */
  | { readonly kind: 'noAnswer' };

interface Pending {
  readonly bridgeId: string;
  settle(outcome: CommandOutcome): void;
  onWaiting(): void;
}

export interface SendOptions {
  /** How long the answer is waited for; the command itself expires at the same moment. */
  readonly timeoutMs: number;
  readonly commandId?: string;
  /** The bridge has taken the command up and will answer later. */
  readonly onWaiting?: () => void;
}

/** How long a bridge's answer to a plain command is waited for. */
export const answerTimeoutMs = 2_000;
const maxPending = 200;

export interface Commands {
  send(bridgeId: string, body: CommandBody, options?: SendOptions): Promise<CommandOutcome>;
  /** An answer came; one that nobody waits for is dropped. */
  settle(bridgeId: string, reply: FromBridgePayload<'reply'>): void;
  /** The connection ended: what waits for this bridge is not going to be answered. */
  drop(bridgeId: string): void;
}

/** Commands that wait for their bridge's answer. In memory: a hub that restarts has nobody waiting either. */
export function createCommands(deps: Pick<AccessDeps, 'link' | 'clock' | 'newId' | 'after'>): Commands {
  const pending = new Map<string, Pending>();
  return {
    send(bridgeId, body, options = { timeoutMs: answerTimeoutMs }) {
      const commandId = options.commandId ?? deps.newId();
      const expiresAtMs = deps.clock.nowMs() + options.timeoutMs;
      if (pending.size >= maxPending || !deps.link.isConnected(bridgeId))
        return Promise.resolve({ kind: 'notConnected' });
      return new Promise((resolve) => {
        const settle = (outcome: CommandOutcome): void => {
          cancelTimer();
          pending.delete(commandId);
          resolve(outcome);
        };
        const cancelTimer = deps.after(options.timeoutMs, () => settle({ kind: 'noAnswer' }));
        pending.set(commandId, { bridgeId, settle, onWaiting: options.onWaiting ?? (() => {}) });
        if (!deps.link.send(bridgeId, 'command', { ...body, commandId, expiresAtMs }))
          settle({ kind: 'notConnected' });
      });
    },
    settle(bridgeId, { commandId, outcome }) {
      const waiting = pending.get(commandId);
      // One bridge must not answer for another.
      if (waiting === undefined || waiting.bridgeId !== bridgeId) return;
      if (outcome.kind === 'waiting') waiting.onWaiting();
      else waiting.settle(outcome);
    },
    drop(bridgeId) {
      for (const waiting of pending.values())
        if (waiting.bridgeId === bridgeId) waiting.settle({ kind: 'notConnected' });
    },
  };
}

export type BridgeRefusal =
  | Refusal<'notConnected'>
  | Refusal<'noAnswer'>
  | (Refusal<'bridgeRefused'> & { readonly why: string });

/** An outcome that is not what was asked for, as a refusal. */
export function refuseOutcome(outcome: CommandOutcome): BridgeRefusal {
  if (outcome.kind === 'notConnected') return { code: 'notConnected' };
  if (outcome.kind === 'refused') return { code: 'bridgeRefused', why: outcome.code };
  return { code: 'noAnswer' };
}
