import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EdgeRun, edgeOrder } from '#bridge/gpio/edge-order.ts';
import type { GpioEdge } from '#bridge/ports.ts';

const edge = (seqno: number): GpioEdge => ({ seqno, offset: 5, rising: false, timestampNs: BigInt(seqno) });
const edges = (...seqnos: number[]): GpioEdge[] => seqnos.map(edge);
const shown = (runs: readonly EdgeRun[]): [number, number[]][] =>
  runs.map((run) => [run.lost, run.edges.map((each) => each.seqno)]);

test('edges in order pass at once', () => {
  const order = edgeOrder(1);
  expect(shown(order.push(edges(1, 2, 3)))).toEqual([[0, [1, 2, 3]]]);
  expect(shown(order.push(edges(4)))).toEqual([[0, [4]]]);
  expect(order.push([])).toEqual([]);
  expect(order.held()).toBe(0);
});

test('an edge that comes late waits for nobody and is put in its place', () => {
  const order = edgeOrder(1);
  expect(shown(order.push(edges(1, 3, 4)))).toEqual([[0, [1]]]);
  expect(order.held()).toBe(2);
  expect(shown(order.push(edges(2)))).toEqual([[0, [2, 3, 4]]]);
  expect(order.held()).toBe(0);
});

test('what stays missing is counted before the edges behind it', () => {
  const order = edgeOrder(1);
  order.push(edges(1, 4, 5, 9));
  expect(shown(order.flush())).toEqual([
    [2, [4, 5]],
    [3, [9]],
  ]);
  expect(shown(order.push(edges(10)))).toEqual([[0, [10]]]);
});

test('edges before the first read count as lost in a fresh request, and not where the writer goes on counting', () => {
  const fresh = edgeOrder(1);
  expect(fresh.push(edges(5))).toEqual([]);
  expect(shown(fresh.flush())).toEqual([[4, [5]]]);
  expect(shown(edgeOrder(null).push(edges(6, 5, 7)))).toEqual([[0, [5, 6, 7]]]);
});

test('an edge that was given up is not delivered when it comes after all', () => {
  const order = edgeOrder(1);
  order.push(edges(2));
  order.flush();
  expect(order.push(edges(1, 2))).toEqual([]);
  expect(shown(order.push(edges(3)))).toEqual([[0, [3]]]);
});

test('the count may pass 32 bits', () => {
  const order = edgeOrder(0xffff_fffe);
  expect(shown(order.push(edges(0xffff_ffff, 0, 0xffff_fffe)))).toEqual([[0, [0xffff_fffe, 0xffff_ffff, 0]]]);
  expect(shown(order.push(edges(1)))).toEqual([[0, [1]]]);
});

test('a writer that begins anew is followed', () => {
  const order = edgeOrder(1);
  order.push(edges(100_000));
  order.flush();
  expect(shown(order.push(edges(1)))).toEqual([[0, [1]]]);
  expect(shown(order.push(edges(2)))).toEqual([[0, [2]]]);
});

test('behind a gap no more is held than the kernel could still have', () => {
  const order = edgeOrder(1);
  const many = Array.from({ length: 1025 }, (_, index) => edge(index + 2));
  const runs = order.push(many);
  expect(runs).toHaveLength(1);
  expect(runs[0]).toMatchObject({ lost: 1 });
  expect(order.held()).toBe(0);
});

test('whatever is shuffled within the kernel buffer or dropped: in order, once, and every loss counted', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.array(fc.record({ isKept: fc.boolean(), delay: fc.nat(40), batch: fc.nat(10) }), { maxLength: 300 }),
      (first, plan) => {
        const order = edgeOrder(first);
        const arriving = plan
          .map((step, index) => ({ ...step, index, at: index + step.delay }))
          .filter((step) => step.isKept)
          .sort((a, b) => a.at - b.at);
        const delivered: number[] = [];
        let lost = 0;
        const take = (runs: readonly EdgeRun[]): void => {
          for (const run of runs) {
            lost += run.lost;
            delivered.push(...run.edges.map((each) => (each.seqno - first) >>> 0));
          }
        };
        let at = 0;
        while (at < arriving.length) {
          const size = (arriving[at]?.batch ?? 0) + 1;
          take(order.push(arriving.slice(at, at + size).map((step) => edge((first + step.index) >>> 0))));
          at += size;
        }
        take(order.flush());
        const kept = arriving.map((step) => step.index).sort((a, b) => a - b);
        expect(delivered).toEqual(kept);
        expect(lost).toBe(kept.length === 0 ? 0 : kept.at(-1)! + 1 - kept.length);
      },
    ),
  );
});
