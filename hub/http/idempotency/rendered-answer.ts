/** A rendered answer, to be sent and stored. */
export interface RenderedAnswer {
  readonly status: number;
  readonly mediaType: 'application/json' | 'application/problem+json';
  readonly body: string;
  readonly etag: string | null;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}
