import type { Plan } from '#hub/domains/members/plans/schema.ts';

/** Returns the minor units per unit of a currency: 100 for EUR, 1 for JPY. */
function minorPerMajor(currency: string): number {
  try {
    const { maximumFractionDigits = 2 } = new Intl.NumberFormat([], {
      style: 'currency',
      currency,
    }).resolvedOptions();
    return 10 ** maximumFractionDigits;
  } catch {
    return 100;
  }
}

/** Formats minor units for editing, such as `12.50`. */
export function minorToText(minor: number, currency: string): string {
  const per = minorPerMajor(currency);
  const digits = String(per).length - 1;
  const whole = Math.floor(minor / per);
  return digits === 0 ? String(whole) : `${whole}.${String(minor % per).padStart(digits, '0')}`;
}
/** Parses `12.50` or `12,5` into minor units; null if invalid. */
export function textToMinor(text: string, currency: string): number | null {
  const digits = String(minorPerMajor(currency)).length - 1;
  const match = /^(\d{1,10})(?:[.,](\d+))?$/.exec(text.trim());
  const [, whole = '', fraction = ''] = match ?? [];
  if (match === null || fraction.length > digits) return null;
  return Number(whole + fraction.padEnd(digits, '0'));
}

const intervalWords: Readonly<Record<Plan['interval'], string>> = {
  month: 'a month',
  year: 'a year',
  once: 'once',
  none: '',
};

/** Formats as `€12.50 a month`. */
export function describePrice({ priceMinor, currency, interval }: Plan): string {
  if (priceMinor === 0) return 'Free';
  const amount = new Intl.NumberFormat([], { style: 'currency', currency }).format(
    priceMinor / minorPerMajor(currency),
  );
  return `${amount} ${intervalWords[interval]}`.trim();
}
