import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks are 10 ms on every Linux that Node runs on. */
const tickMicros = 10_000;

/** What stands after the name, from the third field of `proc(5)` on. */
const fieldsOf = (statFile: string): readonly string[] =>
  (readFileSync(statFile, 'utf8').split(') ')[1] ?? '').split(' ');

function spentMicros(statFile: string): number {
  const fields = fieldsOf(statFile);
  return (Number(fields[11]) + Number(fields[12])) * tickMicros;
}

/** The process that started this one. */
export const parentOf = (pid: number): number => Number(fieldsOf(`/proc/${pid}/stat`)[1]);

/** Processor time of a process, us, all its threads. */
export const processMicros = (pid: number): number => spentMicros(`/proc/${pid}/stat`);

/** Processor time of a process by the names of its threads (15 characters at most), us. */
export function threadMicros(pid: number): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    try {
      const name = readFileSync(`${folder}/comm`, 'utf8').trim();
      times.set(name, (times.get(name) ?? 0) + spentMicros(`${folder}/stat`));
    } catch {
      // It ended between the two looks.
    }
  }
  return times;
}

/** What the threads took since `before`, us. */
export function threadMicrosSince(
  pid: number,
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return new Map([...threadMicros(pid)].map(([name, micros]) => [name, micros - (before.get(name) ?? 0)]));
}
