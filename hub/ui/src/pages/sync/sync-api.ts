import { api } from '../../live/api.ts';

export const fetchSyncStatus = () => api('get', '/api/sync');
export type SyncStatus = Awaited<ReturnType<typeof fetchSyncStatus>>;

const pageAfter = (cursor: string | null) => ({ limit: 20, ...(cursor === null ? {} : { cursor }) });

/** Fetches a page of unsettled conflicts. */
export const fetchConflicts = (cursor: string | null) =>
  api('get', '/api/sync/conflicts', { params: { query: pageAfter(cursor) } });
export type Conflict = Awaited<ReturnType<typeof fetchConflicts>>['items'][number];

/** Fetches a page of open dead letters. */
export const fetchDeadLetters = (cursor: string | null) =>
  api('get', '/api/sync/dead-letters', { params: { query: pageAfter(cursor) } });
export type DeadLetter = Awaited<ReturnType<typeof fetchDeadLetters>>['items'][number];
