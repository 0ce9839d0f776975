import { describe, expect, test } from 'vitest';
import { playSessions, sessionKinds } from '#tests/_support/fuzz/osdp-sessions.ts';
import { fuzzParsers } from '#tests/_support/fuzz/parser-cases.ts';

// The share of `npm run bench -- fuzz` that belongs to every run.

test('bytes of any kind bring no parser down and make no card that was not sent', () => {
  const accounts = fuzzParsers(1, 20_000);
  expect(accounts.flatMap(({ problems }) => problems)).toEqual([]);
  expect(accounts.reduce((sum, { cases }) => sum + cases, 0)).toBeGreaterThanOrEqual(20_000);
});

describe('a session of the bus with one frame damaged, doubled or replayed', () => {
  test.each(sessionKinds)('$name: no other card is read, and the reader is online again soon', (kind) => {
    const { cases, problems } = playSessions(kind, kind.secure ? 67 : 29);
    expect(problems).toEqual([]);
    expect(cases).toBeGreaterThan(300);
  });
});
