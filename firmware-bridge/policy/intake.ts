import type { z } from 'zod';
import type {
  policyAppliedSchema,
  policyCloseSchema,
  policyPageSchema,
} from '#hub/domains/access/controllers/link-schema.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import { recordBytes } from '#hub/domains/access/policy/record-schema.ts';
import { carryRevocations, mergeRecords } from './merge.ts';
import { emptyRecords } from './policy.ts';
import type { StoredPolicy } from './store.ts';

export type PolicyPage = z.infer<typeof policyPageSchema>;
export type PolicyClose = z.infer<typeof policyCloseSchema>;
export type PolicyRefusal = NonNullable<z.infer<typeof policyAppliedSchema>['refused']>;

export interface PolicyQuestion {
  readonly requestId: string;
  readonly epoch: number;
  readonly revision: number;
  readonly digestKeyId: string;
}

/** An answer that pauses for longer has failed. */
export const answerTimeoutMs = 30_000;
/** 200,000 credentials: four times the capacity that a bridge is built for. */
export const maxAnswerBytes = 200_000 * recordBytes;

/** The records received so far, in memory that is released as soon as it is not needed. */
class ReceivedRecords {
  readonly #buffer = new ArrayBuffer(0, { maxByteLength: maxAnswerBytes });
  readonly bytes = new Uint8Array(this.#buffer);

  append(records: Uint8Array): void {
    const end = this.#buffer.byteLength;
    this.#buffer.resize(end + records.length);
    this.bytes.set(records, end);
  }

  free(): void {
    this.#buffer.resize(0);
  }
}

interface Answer {
  readonly requestId: string;
  /** The base of the question: a delta applies to nothing else. */
  readonly base: StoredPolicy | null;
  pages: number;
  readonly records: ReceivedRecords;
  full: boolean | null;
  deadlineMs: number;
}

export type CloseOutcome =
  /** Unsolicited. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'refused'; readonly code: PolicyRefusal }
  /** The bridge's policy is current. */
  | { readonly kind: 'confirmed' }
  /** Only the revision has changed, not the content. */
  | { readonly kind: 'renumbered'; readonly policy: StoredPolicy }
  | { readonly kind: 'complete'; readonly policy: StoredPolicy };

/**
 * Collects the pages of one answer into a complete policy, or nothing. Pure but for its buffers; the caller writes to
 * the disk and swaps.
 */
export class PolicyIntake {
  #answer: Answer | null = null;

  /** Begins a question and drops an answer in transit. `whole`: asks for everything instead of a delta. */
  ask(requestId: string, current: StoredPolicy | null, whole: boolean, nowMs: number): PolicyQuestion {
    const base = whole ? null : current;
    this.drop();
    this.#answer = {
      requestId,
      base: current,
      pages: 0,
      records: new ReceivedRecords(),
      full: null,
      deadlineMs: nowMs + answerTimeoutMs,
    };
    return {
      requestId,
      epoch: base?.version.epoch ?? 0,
      revision: base?.version.revision ?? 0,
      digestKeyId: base?.document.digestKey.id ?? '',
    };
  }

  get isAsking(): boolean {
    return this.#answer !== null;
  }

  /**
   * Takes a page. Returns the number of the next page to ask for, null for an unsolicited page, or why it was
   * refused.
   */
  takePage(page: PolicyPage, nowMs: number): number | null | PolicyRefusal {
    const answer = this.#answer;
    if (answer?.requestId !== page.requestId) return null;
    // A repeated page: perhaps the question for the next one was lost.
    if (page.page < answer.pages) return answer.pages;
    const records = Buffer.from(page.records, 'base64');
    const fits =
      page.page === answer.pages &&
      records.length % recordBytes === 0 &&
      (answer.full ?? page.full) === page.full &&
      answer.records.bytes.length + records.length <= maxAnswerBytes;
    if (!fits) {
      this.drop();
      return 'incomplete';
    }
    answer.full = page.full;
    answer.records.append(records);
    answer.pages += 1;
    answer.deadlineMs = nowMs + answerTimeoutMs;
    return answer.pages;
  }

  /** True once if the answer in transit has paused for too long; it is dropped. */
  hasTimedOut(nowMs: number): boolean {
    if (this.#answer === null || nowMs < this.#answer.deadlineMs) return false;
    this.drop();
    return true;
  }

  drop(): void {
    this.#answer?.records.free();
    this.#answer = null;
  }

  close(close: PolicyClose): CloseOutcome {
    const answer = this.#answer;
    if (answer?.requestId !== close.requestId) return { kind: 'ignored' };
    try {
      return this.#complete(answer, close);
    } finally {
      this.drop();
    }
  }

  #complete(answer: Answer, close: PolicyClose): CloseOutcome {
    if (close.pages !== answer.pages || (answer.full ?? close.full) !== close.full)
      return { kind: 'refused', code: 'incomplete' };
    const { base } = answer;
    if (!close.full && base === null) return { kind: 'refused', code: 'incomplete' };
    const records = mergeRecords(
      close.full ? emptyRecords() : (base?.records ?? emptyRecords()),
      answer.records.bytes,
      new Set(close.full ? [] : close.removed),
    );
    if (policyHash(recordsSum(records), documentHash(close.document)) !== close.version.hash)
      return { kind: 'refused', code: 'hashMismatch' };
    const { version, document } = close;
    if (base === null)
      return { kind: 'complete', policy: { version, document, records, withheldIds: [], removedIds: [] } };
    const isNewer = version.epoch === base.version.epoch && version.revision >= base.version.revision;
    if (isNewer && version.hash === base.version.hash)
      return version.revision === base.version.revision
        ? { kind: 'confirmed' }
        : { kind: 'renumbered', policy: { ...base, version } };
    const revocations = carryRevocations(base, records, {
      restored: version.epoch !== base.version.epoch || version.revision < base.version.revision,
      removed: close.full ? null : close.removed,
      written: answer.records.bytes,
    });
    return { kind: 'complete', policy: { version, document, records, ...revocations } };
  }
}
