import type { z } from 'zod';
import type { CsvCell } from '#hub/platform/csv.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Store } from '#hub/store/store.ts';
import { planToWire } from '../member/view.ts';
import { listPlans, nameOrder, placeInNameOrder } from './repository.ts';
import type { Plan, planListQuerySchema } from './schema.ts';

/** Plans per piece: one turn of the reader Worker. */
const plansPerPiece = 200;

/** Columns of the plan list. */
const cellsByColumn = {
  id: (plan) => plan.id,
  name: (plan) => plan.name,
  description: (plan) => plan.description,
  priceMinor: (plan) => plan.priceMinor,
  currency: (plan) => plan.currency,
  interval: (plan) => plan.interval,
  graceDays: (plan) => plan.graceDays,
  overdueDays: (plan) => plan.overdueDays,
  active: (plan) => plan.active,
  createdAt: (plan) => plan.createdAt,
  updatedAt: (plan) => plan.updatedAt,
  version: (plan) => plan.version,
} as const satisfies Readonly<Record<keyof Plan, (plan: Plan) => CsvCell>>;

export const planCsvColumns = Object.keys(cellsByColumn);
export const planToCsv = (plan: Plan): readonly CsvCell[] =>
  Object.values(cellsByColumn).map((cellOf) => cellOf(plan));

/** All plans that fit, in pieces; each is read in a turn of its own in the reader Worker. */
export async function* streamPlans(
  store: Pick<Store, 'report'>,
  { sort, active }: Pick<z.output<typeof planListQuerySchema>, 'sort' | 'active'>,
): AsyncGenerator<readonly Plan[]> {
  const order = nameOrder(sort);
  let after: Place | null = null;
  do {
    const page: { readonly after: Place | null; readonly limit: number } = { after, limit: plansPerPiece };
    const rows = await store.report((reader) => listPlans(reader, { active }, { order, ...page }));
    yield rows.map(planToWire);
    const last = rows.at(-1);
    after = last === undefined || rows.length < plansPerPiece ? null : placeInNameOrder(sort, last);
  } while (after !== null);
}
