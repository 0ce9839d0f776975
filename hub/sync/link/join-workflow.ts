import { createHash, randomBytes } from 'node:crypto';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Store } from '#hub/store/store.ts';
import { outboxEnd, readPosition, savePosition } from '#hub/store/writing/replicated-writes.ts';
import { Centre, type CodeAnswer } from '../central/centre.ts';
import { chainStart } from '../engine/chain.ts';
import { deleteLink, findLastSite, findLink, saveLink, saveMark } from '../repository.ts';
import type { Stage } from '../schema.ts';
import { joinCodeHash } from './join-code.ts';

/** Address of a centre and a join code. */
export interface JoinRequest {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly code: string;
}

export interface JoinDeps {
  readonly store: Store;
  readonly clock: { nowMs(): number };
  /** This machine's. */
  readonly instance: string;
}

export type CodeWrong = Refusal<'codeWrong'>;
/** The site and hub that a code is for. */
export type Invitation = Extract<CodeAnswer, { status: 'ok' }>;

const connectTimeoutMs = 15_000;
const queryTimeoutMs = 60_000;
const tokenBytes = 32;

/** Runs `work` on a connection of its own. Faults: those of `connectCentral`. */
async function withCentre<T>(
  { url, ca }: Pick<JoinRequest, 'url' | 'ca'>,
  work: (centre: Centre) => Promise<T>,
): Promise<T> {
  // A hub without a centre never loads what speaks to one.
  const { connectCentral } = await import('../central/connection.ts');
  const connection = await connectCentral({
    url,
    ...(ca === undefined ? {} : { caPem: ca }),
    connectTimeoutMs,
    queryTimeoutMs,
  });
  try {
    return await work(new Centre(connection));
  } finally {
    await connection.close();
  }
}

/** Looks a code up without using it. */
export async function lookUpCode(request: JoinRequest): Promise<Result<Invitation, CodeWrong>> {
  const found = await withCentre(request, (centre) => centre.lookUpCode(joinCodeHash(request.code)));
  return found.status === 'ok' ? ok(found) : refuse({ code: 'codeWrong' });
}

/**
 * Uses a code up: from here on this store is the hub that it was made for, and whatever was it before is fenced. `stage`:
 * what the first rounds do: `seed` for a hub that brings its rows, `bootstrap` for one that gets them.
 */
export async function join(
  deps: JoinDeps,
  request: JoinRequest,
  stage: Extract<Stage, 'seed' | 'bootstrap'>,
): Promise<Result<Invitation, CodeWrong>> {
  const { store, clock, instance } = deps;
  // Before the first row that the centre may not have is written.
  store.replication.wholeRows = stage === 'seed';
  const seq = await store.transact('sync.outboxEnd', outboxEnd);
  const token = randomBytes(tokenBytes);
  const joined = await withCentre(request, (centre) =>
    centre.join(joinCodeHash(request.code), {
      instance,
      tokenHash: createHash('sha256').update(token).digest(),
      from: seq,
      chain: chainStart,
    }),
  );
  if (joined.status !== 'ok') {
    store.replication.wholeRows = (await findLink(store.read))?.stage === 'seed';
    return refuse({ code: 'codeWrong' });
  }
  await store.transact('sync.join', async (tx) => {
    await deleteLink(tx);
    await saveLink(tx, {
      central_url: request.url,
      central_ca: request.ca ?? null,
      site_id: joined.site,
      site_name: joined.site_name,
      hub_id: joined.hub,
      hub_name: joined.hub_name,
      next_token: null,
      token,
      token_since_ms: clock.nowMs(),
      linked_at_ms: clock.nowMs(),
      epoch: joined.epoch,
      instance,
      base_seq: seq,
      acked: seq,
      acked_chain: chainStart,
      stage,
      place: null,
      halted: null,
      columns: null,
    });
    await saveMark(tx, { epoch: joined.epoch, seq, chain: chainStart });
    // What this store has seen of the site is what its rows are newer than.
    const { cursor, cid } =
      (await findLastSite(tx)) === joined.site ? await readPosition(tx) : { cursor: 0, cid: null };
    await savePosition(tx, { cursor, cid, settled: seq });
  });
  return ok(joined);
}
