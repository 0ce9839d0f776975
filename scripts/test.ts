import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bin, type Count, checkNames, run, runChecks } from './checks.ts';
import { reportCoverage } from './coverage.ts';
import { findKernel, findTools } from './test-tools.ts';

const help = `Usage: ./scripts/test [--help] [--fast] [--coverage] [--only NAME]... [FILTER]...

Installs what is missing, then runs every check and every test, and prints "N passed, N failed" last.
Each check counts as one; so does each test.

  --fast        every check, and the tests that start no process: rules, http, access, members, the bridge's parts
  --coverage    print the lines and branches that the tests cover, by folder (as V8 counts them)
  --only NAME   run only this step; may be repeated. Steps:
                ${checkNames.join(', ')}, tests
  FILTER        with tests: only files whose path contains this
`;

/** Tests whose files are neither long nor start processes. */
const fastTests = ['tests/http/', 'tests/access/', 'tests/members/', 'tests/bridge/', 'rules.test.ts'];
const slowTests = ['process', 'serial', 'power-cut', 'simulator', 'simulated-port', 'link', 'protocol-fuzz'];
const leftOutOfFast = slowTests.map((name) => `--exclude=tests/bridge/**/*${name}*.test.ts`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h' },
    fast: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const only = new Set(values.only);
const unknown = [...only].filter((name) => name !== 'tests' && !checkNames.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no step ${unknown.join(', ')}.\n\n${help}`);
  process.exit(64);
}
const wanted = (name: string): boolean =>
  only.size === 0 ? positionals.length === 0 || name === 'tests' : only.has(name);

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** Variables for the tests: what they find on this machine and what this run has made for them. */
async function environment(folder: string, leftOutFile: string): Promise<NodeJS.ProcessEnv> {
  const kernel = values.fast ? null : await findKernel(leftOutFile);
  if (!values.fast) await findTools(leftOutFile);
  return {
    MAKRCAVE_LEFT_OUT_FILE: leftOutFile,
    ...(kernel === null ? {} : { MAKRCAVE_UML_KERNEL: kernel }),
    ...(wanted('ui') ? { MAKRCAVE_TEST_UI: path.join(folder, 'ui') } : {}),
    ...(values.coverage ? { NODE_V8_COVERAGE: path.join(folder, 'coverage') } : {}),
  };
}

async function runTests(leftOutFile: string, folder: string): Promise<Count> {
  const reportFile = path.join(folder, 'report.json');
  const code = await run(
    [
      bin('node'),
      bin('vitest'),
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...(values.fast ? [...leftOutOfFast, ...fastTests] : []),
      ...positionals,
    ],
    await environment(folder, leftOutFile),
  );
  const report: Report = JSON.parse(await readFile(reportFile, 'utf8'));
  // A file that could not even be loaded has no tests to count: it counts as one failure. So does a skipped test.
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = report.numFailedTests + broken + report.numPendingTests + report.numTodoTests;
  return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
}

const folder = await mkdtemp(path.join(tmpdir(), 'makrcave-test-'));
const leftOutFile = path.join(folder, 'left-out.txt');
const total = await runChecks(wanted, path.join(folder, 'ui'));
if (wanted('tests')) {
  const tests = await runTests(leftOutFile, folder);
  total.passed += tests.passed;
  total.failed += tests.failed;
}
if (values.coverage) process.stdout.write(`\n${await reportCoverage(path.join(folder, 'coverage'))}`);
const leftOut = await readFile(leftOutFile, 'utf8').catch(() => '');
await rm(folder, { recursive: true, force: true });
if (leftOut !== '') process.stdout.write(`\nLEFT OUT on this machine:\n${leftOut}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 ? 0 : 1);
