import type { Finding } from '#hub/kernel/finding.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import type { HealthPart } from '../health/health-part.ts';
import type { Clock } from './clock.ts';

const trustInWords: Readonly<Record<ClockTrust, string>> = {
  ntp: 'set by a time server',
  rtc: 'from the battery-backed clock',
  hub: 'told by the hub',
  restored: 'not set since the start; not earlier than when the box last ran',
  none: 'not set',
};

const fix =
  'Let the box reach a time server (internet, or the router), or fit a battery-backed clock with a sound battery (a Raspberry Pi 5 has the clock, but not its battery). It takes over by itself.';

function clockFindings(trust: ClockTrust): readonly Finding[] {
  if (trust === 'none')
    return [
      {
        id: 'clock.unset',
        severity: 'error',
        evidence:
          'Nothing has set the clock. Doors with opening hours do what each is set to do when the time is unknown.',
        fix,
      },
    ];
  if (trust === 'restored')
    return [
      {
        id: 'clock.unset',
        severity: 'warning',
        evidence:
          'The clock has not been set since the start: it goes on from when the box last ran, so it is behind by as long as the box was off.',
        fix,
      },
    ];
  return [];
}

export const clockHealth = (clock: Pick<Clock, 'nowMs' | 'trust'>): HealthPart => ({
  name: 'clock',
  title: 'Clock',
  findings: async () => clockFindings(clock.trust()),
  figures: async () => [
    { name: 'now', title: 'Time', unit: 'time', value: clock.nowMs() },
    { name: 'trust', title: 'Known from', unit: 'text', value: trustInWords[clock.trust()] },
  ],
  metrics: [
    {
      kind: 'gauge',
      name: 'clock_trusted',
      help: '1: the time is known (time server, battery-backed clock)',
      read: () => [{ value: ['ntp', 'rtc', 'hub'].includes(clock.trust()) ? 1 : 0 }],
    },
  ],
});
