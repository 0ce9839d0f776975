import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { ActedBridge } from '#tests/_support/doors/acted-bridge.ts';
import { osdpState, wiegandState } from '#tests/_support/doors/reader-states.ts';
import { until } from '#tests/_support/until.ts';
import { runCli } from './run-cli.ts';

let appliance: Appliance;
let bridge: ActedBridge;
beforeAll(async () => {
  appliance = await Appliance.create();
  await appliance.start('hub');
  await appliance.furnish();
  bridge = await ActedBridge.connect(appliance, [
    { key: 'front', name: 'Front door', readers: ['outside', 'inside'] },
  ]);
}, 60_000);
beforeEach(async () => {
  bridge.commands.length = 0;
  bridge.findings = [];
  bridge.answer = () => ({ kind: 'done' });
  bridge.readers = [osdpState('outside', { link: 'connecting', channel: 'none' }), wiegandState('inside')];
  await say();
});
afterAll(async () => {
  await bridge.close();
  await appliance.close();
});

/** Says what the readers do, and waits until the hub shows it. */
async function say(): Promise<void> {
  bridge.sayState();
  const [outside] = bridge.readers;
  await until('the hub to know the readers', async () => {
    const { items } = await appliance.ask('GET', '/api/access-control/readers');
    const [shown] = items as { live: { link: string; channel: string } | null }[];
    return shown?.live?.link === outside?.link && shown?.live?.channel === outside?.channel;
  });
}
const cli = (...args: string[]) => runCli(['pair', '--state', appliance.stateDir, ...args]);
/** The bridge opens the pairing, and then `goesOn`. */
const open = (goesOn: () => void): void => {
  bridge.answer = (command) => {
    bridge.readers = bridge.readers.map((reader) =>
      reader.key === 'outside' ? { ...reader, pairingUntilMs: Date.now() + 60_000 } : reader,
    );
    if (command.kind === 'pairReader') setTimeout(goesOn, 600);
    return { kind: 'done' };
  };
};

it('says what to do, follows the reader and ends well when it has its key', async () => {
  open(() => bridge.change('outside', { link: 'online', channel: 'ownKey', pairingUntilMs: null }));
  const { stdout, stderr, code } = await cli('--reader', 'outside', '--minutes', '1');
  expect(stderr).toBe('');
  expect(stdout).toContain('For one minute outside may get a key of its own');
  expect(stdout).toMatch(/^ {2}1\. Reset the reader/m);
  expect(stdout).toMatch(/^ {2}connecting, no key yet$/m);
  expect(stdout.trimEnd()).toMatch(/outside has a key of its own now\.$/);
  expect(code).toBe(0);
  expect(bridge.commands).toMatchObject([{ kind: 'pairReader', readerKey: 'outside', seconds: 60 }]);
});

it('a reader that gets a fresh key so fast that nobody saw the pairing is known by its event', async () => {
  bridge.readers = [osdpState('outside'), wiegandState('inside')];
  await say();
  bridge.answer = () => {
    setTimeout(() => bridge.sayEvent('readerPaired', 'front', 'outside'), 300);
    return { kind: 'done' };
  };
  const { stdout, code } = await cli('--reader', 'outside', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ readerId: `${bridge.bridgeId}:outside`, paired: true });
  expect(code).toBe(0);
});

it('ends with 1 when the pairing ends without a key', async () => {
  open(() => bridge.change('outside', { pairingUntilMs: null }));
  const { stdout, code } = await cli('--reader', 'outside');
  expect(stdout).toContain('the reader has got no key');
  expect(code).toBe(1);
});

it.each([
  ['refused', 'did not take the new key', 1],
  ['over', 'the reader has got no key', 1],
  ['paired', 'has a key of its own now', 0],
] as const)(
  'a reader that has a key already is not called paired when it was %s',
  async (outcome, why, code) => {
    bridge.readers = [osdpState('outside'), wiegandState('inside')];
    await say();
    open(() =>
      bridge.change('outside', { pairingUntilMs: null, pairingEnded: { atMs: Date.now(), outcome } }),
    );
    const { stdout, code: ended } = await cli('--reader', 'outside');
    expect(stdout).toContain(why);
    expect(ended).toBe(code);
  },
);

it('ends a pairing with --cancel', async () => {
  const { stdout, code } = await cli('--reader', 'outside', '--bridge', 'This box', '--cancel');
  expect(stdout).toBe('outside gets no new key any more; a key that it has got stays.\n');
  expect(code).toBe(0);
  expect(bridge.commands).toMatchObject([{ kind: 'cancelPairing', readerKey: 'outside' }]);
});

it('passes on a refusal with its next step, and names the readers that there are', async () => {
  bridge.answer = () => ({ kind: 'refused', code: 'notPairable' });
  const refused = await cli('--reader', 'inside');
  expect(refused.stderr).toContain('This reader cannot be given a key of its own\nOnly OSDP readers');
  expect(refused.code).toBe(1);
  const unknown = await cli('--reader', 'attic');
  expect(unknown.stderr).toContain('there are: outside of "This box", inside of "This box"');
  expect(unknown.code).toBe(1);
});

it.each([
  [[], 'pair needs --reader'],
  [['--reader', 'outside', '--minutes', '16'], 'from 1 to 15'],
  [['--reader', 'outside', '--minutes', 'soon'], 'from 1 to 15'],
])('a wrong call is 64, with the usage: %j', async (args, words) => {
  const { stderr, code } = await cli(...args);
  expect(stderr).toContain(words);
  expect(stderr).toContain('Usage: makrcave-hub pair --reader KEY');
  expect(code).toBe(64);
});

it('status and doctor show a reader that cannot be reached and one that was opened', async () => {
  bridge.findings = [
    { id: 'reader.offline.inside', severity: 'warning', evidence: 'inside does not answer.', fix: 'Look.' },
  ];
  bridge.readers = [osdpState('outside', { tamper: true }), wiegandState('inside', { link: 'offline' })];
  await say();
  for (const command of ['status', 'doctor']) {
    const { stdout, code } = await runCli([command, '--state', appliance.stateDir]);
    expect(stdout).toContain(`reader.tamper:${bridge.bridgeId}:outside`);
    expect(stdout).toContain(`bridge.reader.offline.inside:${bridge.bridgeId}`);
    expect(code).toBe(1);
  }
});
