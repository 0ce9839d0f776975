import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ColumnValue, type ColumnValues, canonicalJson, digestOf } from '#hub/store/canonical-json.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const value: fc.Arbitrary<ColumnValue> = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 40 }),
);
const row: fc.Arbitrary<ColumnValues> = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), value, {
  maxKeys: 8,
  noNullPrototype: true,
});

describe('canonicalJson', () => {
  it('is the text of RFC 8785', () => {
    // The order of the RFC's own example (3.2.3): by UTF-16 code units, so the emoji's surrogate comes before U+FB33.
    const names = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'];
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, 1])));
    expect(Object.keys(JSON.parse(text) as object).filter((name) => name !== '1')).toEqual(
      sorted.filter((name) => name !== '1'),
    );
    expect(text.indexOf('"\\r"')).toBeLessThan(text.indexOf('"1"'));
    expect(canonicalJson({ b: 1e21, a: 0.000001, c: -0, d: 'a"\u0001' })).toBe(
      '{"a":0.000001,"b":1e+21,"c":0,"d":"a\\"\\u0001"}',
    );
    expect(canonicalJson({ bytes: new Uint8Array([251, 255]), none: null, whole: 7n })).toBe(
      '{"bytes":"-_8","none":null,"whole":7}',
    );
  });

  it('refuses what JSON cannot tell apart', () => {
    expect(() => canonicalJson({ a: Number.NaN })).toThrow('finite');
    expect(() => canonicalJson({ a: 2n ** 60n })).toThrow('53 bits');
  });
});

describe('digestOf', () => {
  it('does not depend on the order of the columns', () => {
    fc.assert(
      fc.property(row, fc.infiniteStream(fc.nat()), (columns, order) => {
        const shuffled = Object.fromEntries(
          Object.entries(columns)
            .map((entry) => ({ entry, at: order.next().value as number }))
            .sort((left, right) => left.at - right.at)
            .map(({ entry }) => entry),
        );
        const personal = Object.keys(columns).slice(0, 2);
        expect(digestOf(shuffled, personal.toReversed())).toBe(digestOf(columns, personal));
      }),
    );
  });

  it('depends on every value, personal or not', () => {
    fc.assert(
      fc.property(row, fc.string(), value, value, (columns, name, before, after) => {
        fc.pre(canonicalJson({ name: before }) !== canonicalJson({ name: after }));
        for (const personal of [[], [name]])
          expect(digestOf({ ...columns, [name]: before }, personal)).not.toBe(
            digestOf({ ...columns, [name]: after }, personal),
          );
      }),
    );
  });

  it('covers a personal value by its digest alone, so that the digest can be checked without the value', () => {
    const digest = digestOf({ id: 'a', name: 'Ada' }, ['name']);
    expect(digest).toBe(digestOf({ id: 'a', name: sha256('"Ada"') }, []));
    expect(digestOf({ name: null }, ['name'])).toBe(digestOf({ name: null }, []));
  });
});
