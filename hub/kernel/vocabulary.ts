import type { z } from 'zod';

/*
 * Names that domains own: permissions, topics, refusal codes. The interfaces are open, as `Database` is: each domain adds
 * its own names by declaration merging in its `domain.ts`, so nothing below the domains imports one to know a name.
 */

/** Permissions by name: `'member.read': true`. */
export interface Permissions {}
/** Topics by name, with what is announced of them: `'member.changed': { data: { memberId: string }; lasting: true }`. */
export interface Topics {}
/** Public codes of refusals: `memberNotFound: true`. */
export interface Refusals {}

export type PermissionName = keyof Permissions;
export type TopicName = keyof Topics;
export type RefusalCode = keyof Refusals;

/** Topics whose announcements are stored with the change that they tell of, so that webhooks can have them. */
export type LastingTopic = {
  [T in TopicName]: Topics[T] extends { readonly lasting: true } ? T : never;
}[TopicName];

/** One permission: what it allows, and who has it from the start. */
export interface PermissionSpec {
  /** Description of what it allows: `See members`. */
  readonly text: string;
  /** Built-in roles that have it, besides the administrators'. */
  readonly roles?: readonly BuiltInRole[];
  /** Only `super_admin` has it from the start. */
  readonly ownerOnly?: true;
}
export type BuiltInRole = 'staff' | 'instructor' | 'member' | 'service_provider' | 'guest';

/** One kind of thing that happens, for the live stream, for webhooks and for their documentation. */
export interface TopicSpec {
  /** Permission needed to receive it. */
  readonly permission: PermissionName;
  /** Description for people who choose topics. */
  readonly text: string;
  /** Schema of its data. */
  readonly data: z.ZodType;
  /**
   * True: it is in the store, so webhooks can have it; it is announced in the transaction that makes it so. False: a
   * passing state, for whoever looks at this moment.
   */
  readonly lasting: boolean;
}

/** The members that a table of topics adds to `Topics`. */
export type DataOf<T extends Readonly<Record<string, TopicSpec>>> = {
  readonly [K in keyof T]: {
    readonly data: Readonly<z.input<T[K]['data']>>;
    readonly lasting: T[K]['lasting'];
  };
};

/** HTTP statuses of refusals. */
export type RefusalStatus = 400 | 401 | 403 | 404 | 409 | 410 | 412 | 422 | 423 | 429 | 503 | 507;

/**
 * One refusal code: its HTTP status and what people read. A refusal that knows better (how long to wait, whose card it
 * is) brings its own `title` or `nextStep` as facts, which take precedence.
 */
export interface ProblemSpec {
  readonly status: RefusalStatus;
  readonly title: string;
  readonly nextStep: string;
  /** Facts as such a refusal may carry them, for the example in the API document. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** The facts of a refusal that names one wrong field: `wrongField('/body/number', 'belongs to another member')`. */
export const wrongField = (pointer: string, message: string): Pick<ProblemSpec, 'facts'> => ({
  facts: { errors: [{ pointer, message }] },
});

/** Facts of an audit entry, as it was written. */
export type AuditFacts = Readonly<Record<string, unknown>>;

/** An action of the audit log in words, for a member's timeline; a function where the facts decide. */
export type AuditWord = string | ((facts: AuditFacts) => string);
