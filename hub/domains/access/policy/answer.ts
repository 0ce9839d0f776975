import type { Reader } from '#hub/store/store.ts';
import type { FromBridgePayload } from '../controllers/link.ts';
import type { PolicyDocument, PolicyVersion } from '../decide/policy-schema.ts';
import { policyHash } from './hash-rules.ts';
import { recordBytes } from './record-schema.ts';
import {
  findDocument,
  findPolicyState,
  findRecordPage,
  findRemoved,
  findSets,
  type PolicySet,
} from './repository.ts';

/** Records of one page on the wire. */
export const recordsPerPage = 500;
/** More removals than this are not told one by one. */
const maxRemoved = 10_000;

/** A whole answer, of one moment; its pages are handed out one at a time. */
export interface PolicyAnswer {
  readonly requestId: string;
  readonly full: boolean;
  readonly version: PolicyVersion;
  readonly document: PolicyDocument;
  /** Whole records, in the order of their digests. */
  readonly records: Uint8Array;
  readonly removed: readonly string[];
}

export const pageCount = (answer: Pick<PolicyAnswer, 'records'>): number =>
  Math.ceil(answer.records.length / (recordsPerPage * recordBytes));

/** Page `page` as base64. */
export const pageText = (answer: Pick<PolicyAnswer, 'records'>, page: number): string => {
  const bytes = answer.records.subarray(
    page * recordsPerPage * recordBytes,
    (page + 1) * recordsPerPage * recordBytes,
  );
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
};

async function loadRecords(reader: Reader, set: PolicySet, sinceRevision: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let afterDigest: Uint8Array = new Uint8Array(0);
  for (;;) {
    const limit = recordsPerPage * 4;
    const rows = await findRecordPage(reader, set, { afterDigest, sinceRevision, limit });
    const last = rows.at(-1);
    if (last === undefined) break;
    // One piece a page: 50,000 rows held one by one take ten times their bytes.
    chunks.push(Buffer.concat(rows.map((row) => row.record)));
    afterDigest = last.digest;
    if (rows.length < limit) break;
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/**
 * What a bridge that holds (epoch, revision) under a digest key has to learn, read on one snapshot: the difference,
 * or everything where a difference cannot be told or would not help (`forceFull`). Null for a bridge without a policy.
 */
export async function loadPolicyAnswer(
  reader: Reader,
  bridgeId: string,
  ask: FromBridgePayload<'policy-ask'>,
  forceFull: boolean,
): Promise<PolicyAnswer | null> {
  const state = await findPolicyState(reader);
  const set = (await findSets(reader, bridgeId)).find((candidate) => candidate.current);
  const stored = await findDocument(reader, bridgeId);
  if (set === undefined || stored === null) return null;
  const behind =
    forceFull ||
    ask.revision === 0 ||
    ask.epoch !== state.epoch ||
    ask.revision > state.revision ||
    ask.revision < set.floorRevision ||
    ask.digestKeyId !== set.keyId;
  const removed = behind ? [] : await findRemoved(reader, set, ask.revision, maxRemoved + 1);
  const full = behind || removed.length > maxRemoved;
  return {
    requestId: ask.requestId,
    full,
    version: { ...state, hash: policyHash(set.sum, stored.hash) },
    document: stored.document,
    records: await loadRecords(reader, set, full ? 0 : ask.revision),
    removed: full ? [] : removed.map((digest) => Buffer.from(digest).toString('hex')),
  };
}
