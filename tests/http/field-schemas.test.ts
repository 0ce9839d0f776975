import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { wireDate, wireTime } from '#hub/kernel/moment.ts';
import { toPlainLine, toPlainText } from '#hub/kernel/plain-text.ts';
import { lineOf, textOf } from '#hub/kernel/text.ts';
import { openTestDomains } from '#tests/_support/open-domains.ts';
import { openBench } from '#tests/members/support.ts';

describe('text of people', () => {
  const line = lineOf(20);
  const text = textOf(20);
  test.each([
    ['a NUL', 'Blue\u0000fob'],
    ['an escape of terminals', '\u001b[31mred'],
    ['a control character of Latin-1', 'a\u0085b'],
    ['half a surrogate pair', 'a\ud800b'],
    ['the other half', 'a\udc00b'],
    ['a turned writing direction', 'abc\u202ecba'],
    ['an isolate that is never ended', 'a\u2067b'],
    ['zero-width characters only', '\u200b\u200d\u2060'],
    ['fillers only', '\u3164\u3164'],
    ['combining marks only', '\u0301\u0301'],
    ['blanks only', ' \u00a0 '],
  ])('%s is refused', (_what, sent) => {
    expect(line.safeParse(sent).success).toBe(false);
    expect(text.safeParse(sent).success).toBe(false);
  });

  test.each(['Müller', 'محمد', '山田', '👩‍🔧', 'O’Neil', '42', '#1', '\u200fعلي', 'e\u0301'])(
    '%s is taken as it is',
    (sent) => {
      expect(line.parse(sent)).toBe(sent);
      expect(text.parse(sent)).toBe(sent);
    },
  );

  test('only a text has line breaks', () => {
    expect(text.parse('one\ntwo\tthree')).toBe('one\ntwo\tthree');
    expect(line.safeParse('one\ntwo').success).toBe(false);
    expect(line.safeParse('one\u2028two').success).toBe(false);
  });

  test('what no schema has checked is shown on one line', () => {
    expect(toPlainText('\u001b[2Ja\nb\tc')).toBe('\ufffd[2Ja\nb\tc');
    expect(toPlainLine('\u001b]0;x\u0007a\nb \u202ec ü')).toBe('\ufffd]0;x\ufffda\ufffdb \ufffdc ü');
  });
});

describe('moments that callers send', () => {
  test.each([
    '9999-12-31T23:59:59Z',
    '9999-12-31T23:59:59-05:00',
    '0000-01-01T00:00:00+05:00',
    '3000-01-01T00:00:00Z',
    '1899-12-31T23:59:59Z',
  ])('%s is refused, with what is possible', (sent) => {
    const parsed = wireTime.safeParse(sent);
    expect(parsed.error?.issues[0]?.message).toContain('1900 to 2999');
  });
  test.each(['2999-12-31T23:59:59Z', '1900-01-01T00:00:00Z'])('%s is taken', (sent) =>
    expect(wireTime.parse(sent)).toBe(sent),
  );
  test('days have the same bounds', () => {
    expect(wireDate.safeParse('9999-12-31').success).toBe(false);
    expect(wireDate.safeParse('0001-01-01').success).toBe(false);
    expect(wireDate.parse('2999-12-31')).toBe('2999-12-31');
  });
});

describe('every field of every body', () => {
  /** The innermost schemas below one, with their paths. */
  function* leaves(schema: z.core.$ZodType, path: string): Generator<[string, z.core.$ZodType]> {
    if (schema instanceof z.ZodObject)
      for (const [name, field] of Object.entries(schema.shape))
        yield* leaves(field as z.ZodType, `${path}/${name}`);
    else if (schema instanceof z.ZodArray) yield* leaves(schema.element, `${path}/0`);
    else if (schema instanceof z.ZodUnion) for (const option of schema.options) yield* leaves(option, path);
    else if (
      schema instanceof z.ZodOptional ||
      schema instanceof z.ZodNullable ||
      schema instanceof z.ZodDefault
    )
      yield* leaves(schema.def.innerType, path);
    else if (schema instanceof z.ZodPipe) yield* leaves(schema.in, path);
    else yield [path, schema];
  }
  const findFields = async () => {
    const { store, clock } = await openBench();
    const { running } = await openTestDomains({ store, clock });
    const endpoints = running.collect((domain) => domain.endpoints);
    return endpoints.flatMap(({ method, path, body }) =>
      body === undefined ? [] : [...leaves(body, `${method} ${path}`)],
    );
  };

  /** Secrets, names of what must be there, and what a parser of its own takes apart before it is stored. */
  const unchecked =
    /\/(\w*[pP]assword|code|recoveryCode|token|refreshToken|id|readerId|portalKey|readerKey|timeZone|username|card|ca|url|filter)$/;

  test('no text takes a control character', async () => {
    const strings = (await findFields()).filter(([, schema]) => schema instanceof z.ZodString);
    expect(strings.length).toBeGreaterThan(30);
    const open = strings
      .filter(([path, schema]) => !unchecked.test(path) && z.safeParse(schema, 'ab\u0000cd').success)
      .map(([path]) => path);
    expect(open).toEqual([]);
  });

  test('no moment takes what cannot be shown or computed with', async () => {
    const moments = (await findFields()).filter(
      ([, schema]) =>
        z.safeParse(schema, '2026-01-01T00:00:00Z').success || z.safeParse(schema, '2026-01-01').success,
    );
    const open = moments
      .filter(([, schema]) => {
        const isText = ['030 12345', '2026', 'a name', 'name'].some(
          (text) => z.safeParse(schema, text).success,
        );
        if (isText) return false;
        return ['9999-12-31T23:59:59Z', '9999-12-31'].some((end) => z.safeParse(schema, end).success);
      })
      .map(([path]) => path);
    expect(moments.length).toBeGreaterThan(10);
    expect(open).toEqual([]);
  });
});
