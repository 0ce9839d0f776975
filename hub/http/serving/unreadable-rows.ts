import { z } from 'zod';
import type { Finding } from '#hub/kernel/finding.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';

/** A stored row that does not fit what its list shows. */
export interface UnreadableRow {
  readonly id: string | null;
  /** Paths of the fields that do not fit. */
  readonly fields: readonly string[];
}

const pageSchema = z.looseObject({ items: z.array(z.unknown()) });
const idOf = (item: unknown): string | null => {
  const id: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, 'id') : null;
  return typeof id === 'string' ? id : null;
};

/**
 * Parses an answer by its schema, which keeps columns out that do not belong there. Rows of a page that do not fit are
 * left out of `items` and named in `unreadable`, so that one of them does not take the page; anything else that does not
 * fit throws.
 */
export function parseAnswer(
  schema: z.ZodType,
  body: unknown,
): { readonly value: unknown; readonly unreadable: readonly UnreadableRow[] } {
  const parsed = schema.safeParse(body);
  if (parsed.success) return { value: parsed.data, unreadable: [] };
  const page = pageSchema.safeParse(body);
  if (!page.success) throw parsed.error;
  const fieldsByIndex = new Map<number, string[]>();
  for (const { path } of parsed.error.issues) {
    const [list, index, ...field] = path;
    if (list !== 'items' || typeof index !== 'number') throw parsed.error;
    const fields = fieldsByIndex.get(index) ?? [];
    fieldsByIndex.set(index, [...fields, field.join('/')]);
  }
  const { items } = page.data;
  const unreadable = [...fieldsByIndex].map(([index, fields]) => ({ id: idOf(items[index]), fields }));
  const fitting = items.filter((_item, index) => !fieldsByIndex.has(index));
  return { value: schema.parse({ ...page.data, items: fitting, unreadable }), unreadable };
}

const mostRows = 100;
const mostNamed = 5;

/** The rows that lists left out, until a list shows them again or the hub is restarted. */
export class UnreadableRows {
  /** By list and id. */
  readonly #rows = new Map<string, { readonly list: string; readonly row: UnreadableRow }>();

  /** Notes what the answer of a list left out, and forgets what it shows again. */
  note(list: string, value: unknown, unreadable: readonly UnreadableRow[]): void {
    if (this.#rows.size > 0) {
      const page = pageSchema.safeParse(value);
      for (const item of page.success ? page.data.items : []) this.#rows.delete(`${list} ${idOf(item)}`);
    }
    for (const row of unreadable)
      if (this.#rows.size < mostRows) this.#rows.set(`${list} ${row.id}`, { list, row });
  }

  get part(): HealthPart {
    return { name: 'lists', title: 'Lists', findings: async () => this.#findings() };
  }

  #findings(): readonly Finding[] {
    if (this.#rows.size === 0) return [];
    const named = [...this.#rows.values()].slice(0, mostNamed).map(({ list, row }) => {
      const fields = row.fields.slice(0, 3).join(', ').slice(0, 40);
      return `${list.slice(-40)}: ${row.id ?? 'no id'} (${fields})`;
    });
    const more = this.#rows.size > mostNamed ? ` and ${this.#rows.size - mostNamed} more` : '';
    return [
      {
        id: 'lists.unreadable',
        severity: 'warning',
        evidence:
          `Stored rows cannot be shown and are left out of their lists: ${named.join('; ')}${more}.`.slice(
            0,
            500,
          ),
        fix: 'Correct the fields that are named where the row came from (a change at the centre, or the API by its id), or remove the row. Nothing else is affected.',
      },
    ];
  }
}
