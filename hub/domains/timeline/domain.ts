import type { Domain } from '#hub/domain.ts';
import { timelineEndpoints } from './routes.ts';

/** A member's history, from all domains below. */
export const timeline: Domain = {
  name: 'timeline',
  tables: {},
  permissions: {},
  topics: {},
  problems: {},
  tags: {},
  open: ({ store, catalog }) => ({
    endpoints: timelineEndpoints({ store, auditWords: catalog.auditWords }),
  }),
};
