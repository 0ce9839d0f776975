import { expect, it } from 'vitest';
import { coverageTable } from '../../scripts/coverage.ts';

const share = (covered: number, total: number) => ({ covered, total });

it('sums files up by folder, deeper ones with the third, and all of them last', () => {
  const summary = {
    total: { lines: share(1, 1), branches: share(1, 1) },
    '/r/hub/main.ts': { lines: share(1, 4), branches: share(0, 0) },
    '/r/hub/domains/access/rules.ts': { lines: share(10, 10), branches: share(3, 4) },
    '/r/hub/domains/access/doors/doors.ts': { lines: share(20, 30), branches: share(0, 4) },
  };
  expect(coverageTable(summary, '/r')).toBe(
    [
      'covered, %          lines  branches  files',
      'hub                  25.0         -      1',
      'hub/domains/access   75.0      37.5      2',
      'all                  70.5      37.5      3',
      '',
    ].join('\n'),
  );
});

it('says nothing of what there is nothing of', () => {
  expect(coverageTable({}, '/r')).toBe(
    'covered, %  lines  branches  files\nall             -         -      0\n',
  );
});
