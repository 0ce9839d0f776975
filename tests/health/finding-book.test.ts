import { describe, expect, it } from 'vitest';
import { createFindingBook, statusOf } from '#hub/domains/system/finding-workflow.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { createLog } from '#hub/platform/log.ts';
import type { Announcement } from '#hub/store/announce.ts';

const finding = (id: string, severity: Finding['severity'] = 'warning'): Finding => ({
  id,
  severity,
  evidence: `${id} at ${Math.random()}`,
  fix: 'Do it.',
});

interface Part {
  name: string;
  title: string;
  findings: () => Promise<readonly Finding[]>;
}

function openBook(parts: Part[], timeoutMs = 20) {
  const lines: { level: string; msg: string; finding?: string }[] = [];
  const announced: Announcement[] = [];
  const clock = { ms: 1_000_000, nowMs: () => clock.ms };
  const book = createFindingBook({
    parts: () => parts,
    clock,
    timeoutMs,
    announce: (announcement) => announced.push(announcement),
    log: createLog({
      level: 'info',
      destination: { write: (text) => void lines.push(JSON.parse(text) as (typeof lines)[number]) },
    }),
  });
  const ids = async () => (await book.look()).map(({ id }) => id);
  return { book, ids, lines, announced, clock };
}

describe('the finding book', () => {
  it('announces and logs what appears, gets graver or is over once, whatever its figures do', async () => {
    let found: Finding[] = [];
    const { book, lines, announced, clock } = openBook([
      { name: 'a', title: 'A', findings: async () => found.map(({ id, severity }) => finding(id, severity)) },
    ]);
    await book.look();
    expect(announced).toEqual([]);
    found = [finding('a.one'), finding('a.two', 'info')];
    await book.look();
    clock.ms += 30_000;
    await book.look();
    expect(announced.map(({ data }) => data)).toEqual([{ appeared: ['a.one', 'a.two'], cleared: [] }]);
    found = [finding('a.one', 'error')];
    await book.look();
    expect(announced.at(-1)?.data).toEqual({ appeared: ['a.one'], cleared: ['a.two'] });
    expect(book.current()).toMatchObject([{ id: 'a.one', severity: 'error', sinceMs: 1_000_000 }]);
    found = [];
    await book.look();
    expect(lines.map(({ level, msg, finding: id }) => `${level} ${msg} ${id}`)).toEqual([
      'warn found a.one',
      'info found a.two',
      'error found a.one',
      'info no longer found a.two',
      'info no longer found a.one',
    ]);
    expect(announced.every(({ topic }) => topic === 'finding.changed')).toBe(true);
  });

  it('makes a part that fails or hangs a finding, and hides nothing of the others', async () => {
    const hanging = Promise.withResolvers<Finding[]>();
    let asked = 0;
    const { ids } = openBook([
      { name: 'good', title: 'Good', findings: async () => [finding('good.note', 'info')] },
      {
        name: 'bad',
        title: 'Bad',
        findings: async () => {
          throw Object.assign(new Error('secret detail'), { code: 'EIO' });
        },
      },
      {
        name: 'slow',
        title: 'Slow',
        findings: () => {
          asked += 1;
          return hanging.promise;
        },
      },
    ]);
    expect(await ids()).toEqual(['bad.failed', 'slow.noAnswer', 'good.note']);
    // It is not asked again while it hangs.
    expect(await ids()).toEqual(['bad.failed', 'slow.noAnswer', 'good.note']);
    expect(asked).toBe(1);
    hanging.resolve([]);
    await expect.poll(ids).toEqual(['bad.failed', 'good.note']);
    expect(asked).toBe(2);
  });

  it('says what failed by its code and never in the words of the error', async () => {
    const { book } = openBook([
      {
        name: 'bad',
        title: 'Bad',
        findings: async () => {
          throw Object.assign(new Error('secret detail'), { code: 'EIO' });
        },
      },
    ]);
    const text = JSON.stringify(await book.look());
    expect(text).toContain('EIO');
    expect(text).not.toContain('secret detail');
  });

  it('looks again for whoever asks while it looks, so that nobody gets what is older than the question', async () => {
    let round = 0;
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { ids } = openBook(
      [
        {
          name: 'a',
          title: 'A',
          findings: async () => {
            const mine = round;
            round += 1;
            await gates[mine]?.promise;
            return [finding(`a.round${mine}`)];
          },
        },
      ],
      10_000,
    );
    const first = ids();
    const second = ids();
    const third = ids();
    gates[0]?.resolve();
    gates[1]?.resolve();
    expect(await Promise.all([first, second, third])).toEqual([['a.round0'], ['a.round1'], ['a.round1']]);
  });

  it('has a bound, and says when it is reached', async () => {
    const many = Array.from({ length: 500 }, (_, index) => finding(`a.${index}`, 'info'));
    const { book } = openBook([
      { name: 'a', title: 'A', findings: async () => [...many, finding('a.bad', 'error')] },
    ]);
    const found = await book.look();
    expect(found).toHaveLength(200);
    expect(found[0]?.id).toBe('a.bad');
    expect(found.at(-1)).toMatchObject({ id: 'findings.more', evidence: '302 more findings are not shown.' });
  });

  it('takes the gravest for the state, and notes for none', () => {
    expect(statusOf([])).toBe('ok');
    expect(statusOf([finding('a', 'info')])).toBe('ok');
    expect(statusOf([finding('a', 'info'), finding('b')])).toBe('warning');
    expect(statusOf([finding('b'), finding('c', 'error')])).toBe('error');
  });
});
