/** An answer as it goes out, so that it can also be kept. */
export interface RenderedAnswer {
  readonly status: number;
  readonly mediaType: 'application/json' | 'application/problem+json';
  readonly body: string;
  readonly etag: string | null;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}
