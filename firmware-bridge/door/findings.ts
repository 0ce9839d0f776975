import type { PortalConfig } from '#bridge/config.ts';
import { kindOf, type ReaderConfig } from '#bridge/readers/registry.ts';
import type { PortalSettings } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';

export interface DoorsNow {
  readonly journal: { readonly writable: boolean; readonly lostEvents: number };
  readonly clockTrust: ClockTrust;
  readonly hasPolicy: boolean;
  readonly lockedReaders: readonly { readonly readerKey: string; readonly leftMs: number }[];
  readonly doors: readonly { readonly wiring: PortalConfig; readonly settings: PortalSettings }[];
}

/** Names a requirement of the door's settings that this reader cannot meet; null: none. */
function missingKeys(wiring: ReaderConfig, settings: PortalSettings): string | null {
  const { identification, identificationWindows, minAssurance } = settings;
  const values = [identification, ...identificationWindows.map((entry) => entry.identification)];
  const keypad = kindOf(wiring).keypad(wiring);
  const asksForPin = minAssurance === 1 || values.some((value) => value !== 'card' && value !== 'cardOrPin');
  if (keypad === 'none') return asksForPin ? 'asks for a PIN, and this reader has no keypad' : null;
  const takesNumbers = values.some((value) => value === 'pin' || value === 'cardOrPin');
  return keypad === 'digits' && takesNumbers
    ? 'takes number and PIN, and the keypad of this reader sends digits only, without the * between them'
    : null;
}

const keypadFindings = ({ doors }: DoorsNow): Finding[] =>
  doors.flatMap(({ wiring, settings }) =>
    wiring.readers.flatMap((reader) => {
      const missing = missingKeys(reader.wiring, settings);
      return missing === null
        ? []
        : [
            {
              id: `pin.keypad.${reader.key}`,
              severity: 'warning' as const,
              evidence: `The door "${wiring.key}" ${missing} ("${reader.key}").`,
              fix: "Change how one identifies in the door's settings, or give it a reader with another keypad; bridge.yaml says how a keypad sends.",
            },
          ];
    }),
  );

/** Findings that stand for as long as their cause does. */
export function standingFindings(now: DoorsNow): Finding[] {
  const { journal, lockedReaders } = now;
  const findings: Finding[] = [];
  if (!journal.writable)
    findings.push({
      id: 'journal.notWritable',
      severity: 'error',
      evidence: `The journal cannot be written; ${String(journal.lostEvents)} events were lost.`,
      fix: "Free space on the bridge's disk. It goes on by itself.",
    });
  if (!now.hasPolicy)
    findings.push({
      id: 'policy.none',
      severity: 'error',
      evidence: 'This bridge has no policy: it opens for nobody.',
      fix: 'Connect it to its hub.',
    });
  if (now.clockTrust === 'none')
    findings.push({
      id: 'clock.none',
      severity: 'warning',
      evidence: 'Nothing has set the clock since the start.',
      fix: 'Let the hub reach a time server, or give the box a battery-backed clock.',
    });
  for (const { readerKey, leftMs } of lockedReaders)
    findings.push({
      id: `pin.locked.${readerKey}`,
      severity: 'warning',
      evidence: `After too many wrong PINs the reader "${readerKey}" takes none for ${String(Math.ceil(leftMs / 60_000))} min yet.`,
      fix: 'Look who is at the door. It ends by itself; cards work on where a door asks for no PIN.',
    });
  return [...findings, ...keypadFindings(now)];
}
