import { windowErrors } from '#hub/domains/places/rules.ts';
import type { PortalSettings } from '../schema.ts';

/** A setting that contradicts another; `field` is its path in the settings. */
export interface SettingsError {
  readonly field: string;
  readonly message: string;
}

/** Finds the settings of a door that contradict each other. */
export function settingsErrors(settings: PortalSettings): readonly SettingsError[] {
  const errors: SettingsError[] = [];
  const { accessTimeSeconds, extendedAccessTimeSeconds, heldOpenSeconds, preAlarmSeconds } = settings;
  if (extendedAccessTimeSeconds < accessTimeSeconds)
    errors.push({
      field: 'extendedAccessTimeSeconds',
      message: `must not be less than accessTimeSeconds (${accessTimeSeconds})`,
    });
  if (preAlarmSeconds >= heldOpenSeconds)
    errors.push({
      field: 'preAlarmSeconds',
      message: `must be less than heldOpenSeconds (${heldOpenSeconds}); 0 = no warning`,
    });
  for (const field of ['schedule', 'identificationWindows'] as const)
    for (const { index, message } of windowErrors(settings[field].map(({ window }) => window)))
      errors.push({ field: `${field}/${index}/window/endMinute`, message });
  return errors;
}
