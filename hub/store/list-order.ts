import { type RawBuilder, sql } from 'kysely';

/** The order of a list: by these columns together, which are unique and never null. */
export interface ListOrder {
  readonly columns: readonly string[];
  readonly isDescending: boolean;
}
/** The values of an order's columns in one row. */
export type Place = readonly (string | number)[];

const listed = (columns: readonly string[]): RawBuilder<unknown> =>
  sql.join(columns.map((column) => sql.ref(column)));

/** The rows that come after `place`; an index on the columns leads there. */
export const isAfter = ({ columns, isDescending }: ListOrder, place: Place): RawBuilder<boolean> =>
  isDescending
    ? sql<boolean>`(${listed(columns)}) < (${sql.join(place)})`
    : sql<boolean>`(${listed(columns)}) > (${sql.join(place)})`;

/** For `orderBy`. */
export const inOrder = ({ columns, isDescending }: ListOrder): RawBuilder<unknown> =>
  sql.join(columns.map((column) => (isDescending ? sql`${sql.ref(column)} desc` : sql`${sql.ref(column)}`)));
