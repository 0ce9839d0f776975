import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { JournalReader } from '#bridge/journal/reader.ts';
import { openPolicyStore, type StoredPolicy } from '#bridge/policy/store.ts';
import {
  type BridgeCommand,
  type BridgeState,
  type FromBridge,
  schemaToBridge,
  type ToBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import { type Device, deviceSchema } from './device.ts';
import { connectHub, type HubClient } from './hub-client.ts';
import { JournalDrain } from './journal-drain.ts';
import {
  type ClockReading,
  type JournalNumbers,
  type LinkData,
  type ToDoor,
  type ToLink,
} from './messages.ts';
import { PolicySync } from './policy-sync.ts';

const tickMs = 500;
const firstRetryMs = 500;
const maxRetryMs = { socket: 5000, tls: 30_000 } as const;
const confirmationEveryMs = 300_000;

/**
 * The bridge's side of the link to its hub, in a Worker. If it fails, or the hub is down, nothing changes at the
 * doors: the door thread only receives messages from here.
 */
export class Link {
  readonly #data: LinkData;
  readonly #tell: (message: ToDoor) => void;
  readonly #log: Logger;
  readonly #policy: PolicySync;
  readonly #drain: JournalDrain;
  readonly #store: ReturnType<typeof openPolicyStore>;
  readonly #swaps = new Map<number, () => void>();
  #journal: JournalNumbers;
  #clock: ClockReading;
  #state: BridgeState | null = null;
  #client: HubClient | null = null;
  #welcomed = false;
  #hubOffsetMs: number | null = null;
  #failures = 0;
  #swap = 0;
  #ackedSeq = 0;
  #confirmationSavedMs = Number.NEGATIVE_INFINITY;
  #retry: NodeJS.Timeout | null = null;
  readonly #ticker: NodeJS.Timeout;
  #stopped = false;

  constructor(data: LinkData, tell: (message: ToDoor) => void, log: Logger) {
    this.#data = data;
    this.#tell = tell;
    this.#log = log;
    this.#journal = data.journal;
    this.#clock = data.clock;
    this.#store = openPolicyStore(data.stateDirectory, data.bridgeKey);
    const onFault = (error: unknown): void => log.error({ err: error }, 'fault on the way to the hub');
    const disk = openJournalDisk(path.join(data.stateDirectory, 'journal'));
    let reader = new JournalReader(disk, data.bridgeKey, data.journalId);
    this.#drain = new JournalDrain(
      {
        read: (seq, limit, upTo) => reader.readFrom(seq, limit, upTo),
        send: (events) => this.#send('events', { journalId: data.journalId, events }),
        nowMs: () => performance.now(),
        onFault: (error) => {
          // A segment may have been deleted in the meantime: look again.
          reader = new JournalReader(disk, data.bridgeKey, data.journalId);
          onFault(error);
        },
      },
      data.journal.syncedSeq,
    );
    this.#policy = new PolicySync(
      {
        store: this.#store,
        send: (name, payload) => this.#send(name, payload),
        nowMs: () => performance.now(),
        swap: (policy) => this.#swapIn(policy),
        onConfirmed: () => this.#onConfirmed(),
        onRefused: (code) => {
          log.warn({ code }, 'the policy that the hub sent is not used');
          tell({ kind: 'policyRefused', code, kept: this.#policy.current?.version ?? null });
        },
        onFault,
      },
      data.policy,
    );
    this.#ticker = setInterval(() => {
      this.#policy.tick();
      this.#drain.tick();
    }, tickMs);
    void this.#connect();
  }

  get #nowWallMs(): number {
    return Math.round(Date.now() + this.#clock.offsetMs);
  }

  #send(name: FromBridge, payload: unknown): boolean {
    return this.#client?.send(name, payload) ?? false;
  }

  async #loadDevice(): Promise<Device | null> {
    const file = path.join(this.#data.stateDirectory, 'device.json');
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text === null) return null;
    try {
      return deviceSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#log.error({ err: error, file }, 'device.json is not usable: pair the bridge again');
      return null;
    }
  }

  async #connect(): Promise<void> {
    const device = await this.#loadDevice();
    if (this.#stopped) return;
    if (device === null) {
      this.#tell({ kind: 'hubGone', reason: 'this bridge is not paired: there is no device.json' });
      this.#retryLater();
      return;
    }
    try {
      this.#client = connectHub(this.#data.connection, device, {
        onReady: () => this.#hello(),
        onMessage: (name, json) => this.#onMessage(name, json),
        onGone: (reason) => this.#onGone(reason),
      });
    } catch (error) {
      this.#log.error({ err: error }, 'the connection to the hub cannot be made');
      this.#retryLater();
    }
  }

  #onGone(reason: string): void {
    this.#client = null;
    this.#welcomed = false;
    this.#drain.stop();
    this.#policy.disconnected();
    if (this.#stopped) return;
    if (this.#failures === 0) this.#log.warn({ reason }, 'no connection to the hub; the doors go on');
    this.#tell({ kind: 'hubGone', reason });
    this.#retryLater();
  }

  #retryLater(): void {
    const limitMs = maxRetryMs[this.#data.connection.kind];
    const baseMs = Math.min(limitMs, firstRetryMs * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    // Half of it random, so that the bridges of a house do not all reconnect at once.
    this.#retry = setTimeout(() => void this.#connect(), baseMs / 2 + (Math.random() * baseMs) / 2);
  }

  #hello(): void {
    const current = this.#policy.current;
    const { firstSeq, lastSeq } = this.#journal;
    this.#send('hello', {
      ...this.#data.hello,
      journalId: this.#data.journalId,
      policy: current === null ? null : { ...current.version, digestKeyId: current.document.digestKey.id },
      journal: { firstSeq, lastSeq, ackedSeq: Math.min(this.#ackedSeq, lastSeq) },
      wallMs: this.#nowWallMs,
      clockTrust: this.#clock.trust,
    });
  }

  #onMessage(name: ToBridge, json: unknown): void {
    const parsed = schemaToBridge[name].safeParse(json);
    if (!parsed.success) {
      this.#log.warn({ name, problem: parsed.error.message.slice(0, 300) }, 'message of the hub refused');
      return;
    }
    switch (name) {
      case 'welcome':
        this.#onWelcome(schemaToBridge.welcome.parse(json));
        return;
      case 'ack':
        this.#onAck(schemaToBridge.ack.parse(json));
        return;
      case 'policy-page':
        this.#policy.onPage(schemaToBridge['policy-page'].parse(json));
        return;
      case 'policy-close':
        void this.#policy.onClose(schemaToBridge['policy-close'].parse(json));
        return;
      case 'policy-nudge':
        if (this.#welcomed) this.#policy.nudge(schemaToBridge['policy-nudge'].parse(json));
        return;
      case 'command':
        this.#onCommand(schemaToBridge.command.parse(json));
        return;
      default:
        unreachable(name);
    }
  }

  #onWelcome(welcome: ReturnType<typeof schemaToBridge.welcome.parse>): void {
    if (!this.#welcomed) this.#log.info({}, 'connected to the hub');
    this.#welcomed = true;
    this.#failures = 0;
    this.#hubOffsetMs = welcome.wallMs - performance.now();
    this.#tell({ kind: 'hubTime', wallMs: welcome.wallMs, trust: welcome.clockTrust });
    if (welcome.ackedSeq > this.#journal.lastSeq) this.#tell({ kind: 'hubAhead', seq: welcome.ackedSeq });
    this.#ackedSeq = welcome.ackedSeq;
    this.#tell({ kind: 'acked', seq: welcome.ackedSeq });
    this.#drain.start(welcome.ackedSeq);
    this.#policy.connected(welcome.policy);
    if (this.#state !== null) this.#send('state', this.#state);
  }

  #onAck(ack: ReturnType<typeof schemaToBridge.ack.parse>): void {
    if (ack.journalId !== this.#data.journalId) return;
    this.#drain.acked(ack.seq);
    if (ack.seq <= this.#ackedSeq) return;
    this.#ackedSeq = ack.seq;
    this.#tell({ kind: 'acked', seq: ack.seq });
  }

  #onCommand(command: BridgeCommand): void {
    const hubNowMs = this.#hubOffsetMs === null ? this.#nowWallMs : this.#hubOffsetMs + performance.now();
    const expiresInMs = command.expiresAtMs - hubNowMs;
    if (command.kind !== 'approve') {
      this.#tell({ kind: 'command', command, expiresInMs });
      return;
    }
    if (expiresInMs <= 0) this.#reply(command.commandId, { kind: 'refused', code: 'expired' });
    else
      void this.#policy
        .approve(command.credentialIds)
        .then((done) =>
          this.#reply(command.commandId, done ? { kind: 'done' } : { kind: 'refused', code: 'journalFault' }),
        );
  }

  #reply(commandId: string, outcome: (ToLink & { kind: 'reply' })['outcome']): void {
    this.#send('reply', { commandId, outcome });
  }

  #swapIn(policy: StoredPolicy): Promise<void> {
    this.#swap += 1;
    const swap = this.#swap;
    return new Promise((resolve) => {
      this.#swaps.set(swap, resolve);
      const { version, document, records, withheldIds, removedIds } = policy;
      this.#tell({ kind: 'policy', swap, policy: { version, document, records, withheldIds }, removedIds });
    });
  }

  #onConfirmed(): void {
    this.#tell({ kind: 'confirmed' });
    if (performance.now() - this.#confirmationSavedMs < confirmationEveryMs) return;
    this.#confirmationSavedMs = performance.now();
    const { trust } = this.#clock;
    const trusted = trust === 'ntp' || trust === 'rtc' || trust === 'hub';
    this.#store.saveConfirmation({ wallMs: this.#nowWallMs, trusted }).catch((error: unknown) => {
      this.#log.warn({ err: error }, "the time of the policy's confirmation could not be kept");
    });
  }

  /** Takes a message of the door thread. */
  receive(message: ToLink): void {
    switch (message.kind) {
      case 'journal':
        this.#journal = message.journal;
        this.#drain.synced(message.journal.syncedSeq);
        return;
      case 'state':
        this.#state = message.state;
        this.#clock = message.clock;
        if (this.#welcomed) this.#send('state', message.state);
        return;
      case 'reply':
        this.#reply(message.commandId, message.outcome);
        return;
      case 'swapped':
        this.#swaps.get(message.swap)?.();
        this.#swaps.delete(message.swap);
        return;
      case 'stop':
        this.#stopped = true;
        clearInterval(this.#ticker);
        if (this.#retry !== null) clearTimeout(this.#retry);
        this.#client?.close();
        return;
      default:
        unreachable(message);
    }
  }
}
