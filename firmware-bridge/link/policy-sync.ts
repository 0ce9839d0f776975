import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import {
  type PolicyClose,
  PolicyIntake,
  type PolicyPage,
  type PolicyRefusal,
} from '#bridge/policy/intake.ts';
import type { PolicyStore, StoredPolicy } from '#bridge/policy/store.ts';
import type { FromBridge, policyAppliedSchema } from '#hub/domains/access/controllers/link-schema.ts';
import { unreachable } from '#hub/kernel/result.ts';

export interface PolicySyncDeps {
  readonly store: Pick<PolicyStore, 'save'>;
  readonly send: (name: FromBridge, payload: unknown) => boolean;
  readonly nowMs: () => number;
  /** Hands a policy that is on the disk to the doors; resolves once it is in force. */
  readonly swap: (policy: StoredPolicy) => Promise<void>;
  readonly onConfirmed: () => void;
  readonly onRefused: (code: PolicyRefusal) => void;
  readonly onFault: (error: unknown) => void;
}

type Applied = z.input<typeof policyAppliedSchema>;

const retryMs = 5000;

/**
 * Keeps the bridge's policy equal to the hub's: asks, receives the pages, checks the hash, writes to the disk, and
 * only then hands it to the doors. One change at a time.
 */
export class PolicySync {
  readonly #deps: PolicySyncDeps;
  readonly #intake = new PolicyIntake();
  #current: StoredPolicy | null;
  #connected = false;
  /** When to ask again; null: no need. */
  #askAtMs: number | null = null;
  #asksForWhole = false;
  #failures = 0;
  #confirmedMs = 0;
  #tail: Promise<void> = Promise.resolve();
  /** Changes being written to the disk: until they are there, no question builds on the former policy. */
  #pending = 0;

  constructor(deps: PolicySyncDeps, current: StoredPolicy | null) {
    this.#deps = deps;
    this.#current = current;
  }

  get current(): StoredPolicy | null {
    return this.#current;
  }

  /** Called after the hub's welcome. */
  connected(hub: { readonly epoch: number; readonly revision: number }): void {
    this.#connected = true;
    this.#asksForWhole = false;
    this.#failures = 0;
    this.nudge(hub);
  }

  disconnected(): void {
    this.#connected = false;
    this.#intake.drop();
    this.#askAtMs = null;
  }

  nudge(hub: { readonly epoch: number; readonly revision: number }): void {
    const version = this.#current?.version;
    if (version?.epoch === hub.epoch && version.revision === hub.revision) this.#confirm();
    else if (this.#intake.isAsking || this.#pending > 0) this.#askAtMs = this.#deps.nowMs();
    else this.#ask();
  }

  #ask(): void {
    if (!this.#connected) return;
    this.#askAtMs = null;
    const question = this.#intake.ask(randomUUID(), this.#current, this.#asksForWhole, this.#deps.nowMs());
    this.#deps.send('policy-ask', question);
  }

  #confirm(): void {
    this.#confirmedMs = this.#deps.nowMs();
    this.#deps.onConfirmed();
  }

  /** Asking also confirms the policy's age: often enough for the strictest door. */
  #confirmEveryMs(): number {
    const minutes = (this.#current?.document.portals ?? []).map(
      (portal) => portal.settings.maxPolicyAgeMinutes,
    );
    return Math.min(300_000, Math.max(20_000, (Math.min(...minutes, 60) * 60_000) / 3));
  }

  /** Call about once a second. */
  tick(): void {
    const nowMs = this.#deps.nowMs();
    if (this.#intake.hasTimedOut(nowMs)) this.#refuse('timedOut');
    if (!this.#connected || this.#intake.isAsking || this.#pending > 0) return;
    const due = this.#askAtMs ?? this.#confirmedMs + this.#confirmEveryMs();
    if (nowMs >= due) this.#ask();
  }

  onPage(page: PolicyPage): void {
    const next = this.#intake.takePage(page, this.#deps.nowMs());
    if (next === null) return;
    if (typeof next === 'string') this.#refuse(next);
    else this.#deps.send('policy-next', { requestId: page.requestId, page: next });
  }

  #refuse(code: PolicyRefusal): void {
    this.#failures += 1;
    // After a bad answer the whole policy is requested; a failed write only repeats the request.
    if (code !== 'notWritten') this.#asksForWhole = true;
    const pauseMs =
      this.#failures === 1 && code !== 'notWritten' ? 0 : retryMs * Math.min(12, this.#failures);
    this.#askAtMs = this.#deps.nowMs() + pauseMs;
    this.#deps.onRefused(code);
    this.#report(code);
  }

  #report(refused: Applied['refused']): void {
    const applied: Applied = {
      version: this.#current?.version ?? null,
      refused,
      withheldCredentialIds: (this.#current?.withheldIds ?? []).slice(0, 10_000),
    };
    this.#deps.send('policy-applied', applied);
  }

  onClose(close: PolicyClose): Promise<void> {
    const outcome = this.#intake.close(close);
    switch (outcome.kind) {
      case 'ignored':
        return Promise.resolve();
      case 'refused':
        this.#refuse(outcome.code);
        return Promise.resolve();
      case 'confirmed':
        this.#succeed();
        return Promise.resolve();
      case 'renumbered':
        // Not worth a write: after a restart the bridge asks from the older number on and gets the same answer.
        return this.#enqueue(async () => {
          this.#current = outcome.policy;
          await this.#deps.swap(outcome.policy);
          this.#succeed();
        });
      case 'complete':
        return this.#enqueue(async () => {
          if (await this.#apply(outcome.policy)) this.#succeed();
        });
      default:
        return unreachable(outcome);
    }
  }

  #succeed(): void {
    this.#failures = 0;
    this.#asksForWhole = false;
    this.#confirm();
    this.#report(null);
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#pending += 1;
    this.#tail = this.#tail
      .then(work)
      .catch(this.#deps.onFault)
      .finally(() => {
        this.#pending -= 1;
        this.tick();
      });
    return this.#tail;
  }

  /** Writes to the disk first: a revocation or a lockdown that the doors have followed must survive a power cut. */
  async #apply(policy: StoredPolicy): Promise<boolean> {
    try {
      await this.#deps.store.save(policy);
    } catch (error) {
      this.#deps.onFault(error);
      this.#refuse('notWritten');
      return false;
    }
    this.#current = policy;
    await this.#deps.swap(policy);
    return true;
  }

  /** Lets these credentials open again. True once that is on the disk and in force. */
  async approve(credentialIds: readonly string[]): Promise<boolean> {
    let done = false;
    // An answer in transit builds on the withheld list as it was.
    if (this.#intake.isAsking) this.#askAtMs = this.#deps.nowMs();
    this.#intake.drop();
    await this.#enqueue(async () => {
      const current = this.#current;
      if (current === null) return;
      const withheldIds = current.withheldIds.filter((id) => !credentialIds.includes(id));
      if (withheldIds.length === current.withheldIds.length) {
        done = true;
        return;
      }
      done = await this.#apply({ ...current, withheldIds });
      if (done) this.#report(null);
    });
    return done;
  }
}
