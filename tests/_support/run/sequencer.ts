import path from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = path.resolve(import.meta.dirname, '../../..');

/** What takes longest, for a machine that has not run the tests before. */
const slowest = [
  'tests/system/faults/crash.test.ts',
  'tests/ui/screens.test.ts',
  'tests/ui/docs.test.ts',
  'tests/system/',
  'tests/sync/faults/',
  'tests/ui/',
  'tests/sync/',
  'tests/cli/',
  'tests/mqtt/',
  'tests/access/',
];

const rankOf = (file: TestSpecification): number => {
  const name = path.relative(root, file.moduleId);
  const rank = slowest.findIndex((start) => name.startsWith(start));
  return rank === -1 ? slowest.length : rank;
};

/** Starts the longest files first, so that no worker is left alone with one at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isKnown = files.some((file) => this.ctx.cache.getTestSpecificationResult(file) !== undefined);
    return isKnown ? sorted : sorted.toSorted((left, right) => rankOf(left) - rankOf(right));
  }
}
