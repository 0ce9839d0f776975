import { z } from 'zod';
import { idSchema } from './ids.ts';

/** Fields of every entity on the wire. */
export const entityShape = {
  id: idSchema,
  version: z.number().int().min(1),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
};

/** Query of a list that is read page by page. */
export const pageShape = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(200)
    .default(50)
    .meta({ description: 'Items on a page, 1 to 200' }),
  cursor: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .meta({ description: '`nextCursor` of the page before; left out for the first page' }),
  count: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .default(false)
    .meta({ enum: ['true', 'false'], description: '`true`: the answer also has `total`, all that fit' }),
};

/** `sort` of a list: one of these keys, or the same with `-` in front for the other way round. */
export const sortOf = <const K extends string>(...keys: readonly [K, ...K[]]) =>
  z.enum([...keys, ...keys.map((key) => `-${key}` as const)]).meta({
    description: 'The order; with `-` in front the other way round',
  });

/** True for a descending `sort`. */
export const isReversed = (sort: string): boolean => sort.startsWith('-');

export const pageQuerySchema = z.strictObject(pageShape);

/** One page of a list. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: 'Of the next page; null on the last' }),
    total: z
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'On all pages together; with `count=true`' }),
    unreadable: z
      .array(z.strictObject({ id: z.string().nullable(), fields: z.array(z.string()) }))
      .optional()
      .meta({
        description:
          'Rows of this page with stored values that cannot be shown: left out of `items`, and named in a finding',
      }),
  });

/** The version that a change was made on. */
export const versionField = { version: z.number().int().min(1) } as const;

/** Kind of a change to a thing. */
export const changeSchema = z.enum(['created', 'changed', 'removed']);
export type Change = z.infer<typeof changeSchema>;

/** A list that comes whole, as its last page. */
export const wholeList = <T>(items: readonly T[]): { items: T[]; nextCursor: null } => ({
  items: [...items],
  nextCursor: null,
});

/** The answer to what has nothing to say. */
export const emptySchema = z.strictObject({});
