import { parseArgs } from 'node:util';
import { backWithinMs, playSessions, sessionKinds } from '#tests/_support/fuzz/osdp-sessions.ts';
import { fuzzParsers } from '#tests/_support/fuzz/parser-cases.ts';
import { type BenchRow, printReport, row, rowAtLeast } from './report.ts';

// Every protocol of the readers against bytes of any kind and against real traffic that was changed: no exception, no card
// that was not sent. Then sessions of the OSDP bus, secure and plain, with every bit flipped, every byte dropped and every
// frame doubled or replayed: no other card, which is what could unlock a door, and the reader is back soon.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    /** Every so many'th damage of a session. */
    stride: { type: 'string', default: '1' },
  },
});
const wanted = Number(values.cases);
const seed = Number(values.seed);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
say(`seed ${seed}`);

const rows: BenchRow[] = [];
const problems: string[] = [];

const accounts = fuzzParsers(seed, wanted);
for (const { name, cases, seconds, problems: found } of accounts) {
  problems.push(...found);
  rows.push(row(`${name}: ${cases} cases`, cases / seconds, '/s'));
}
const total = accounts.reduce((sum, { cases }) => sum + cases, 0);
const seconds = accounts.reduce((sum, account) => sum + account.seconds, 0);
rows.push(
  rowAtLeast('cases over all parsers', total, '', wanted),
  row('cases over all parsers', total / seconds, '/s'),
  row('exceptions, and cards that were not sent', problems.length, '', 0),
);

for (const kind of sessionKinds) {
  const account = playSessions(kind, Number(values.stride));
  problems.push(...account.problems);
  const name = `${kind.name} sessions`;
  rows.push(
    row(`${name}, one damage each`, account.cases, ''),
    row(`${name}, one damage each`, account.cases / account.seconds, '/s'),
    row(`${name}: another card, an exception, or not back in time`, account.problems.length, '', 0),
    row(`${name}: slowest to be back, virtual time`, account.slowestBackMs, 'ms', backWithinMs),
    row(`${name}: damages with a right check by chance`, account.byChance, ''),
    row(`${name}: the card has to be presented again`, account.cardsLost, ''),
  );
}
for (const problem of problems.slice(0, 20)) say(problem.slice(0, 1000));
printReport('fuzz', rows);
if (rows.some(({ holds }) => !holds)) process.exitCode = 1;
