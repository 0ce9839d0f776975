import type { AuditWord } from '#hub/kernel/vocabulary.ts';

/** What was done to cards, in words. */
export const cardAuditWords = {
  'credential.enrol': 'Card enrolled',
  'credential.change': 'Card changed',
  'credential.lose': 'Card reported lost',
  'credential.suspend': 'Card suspended',
  'credential.reactivate': 'Card reactivated',
  'credential.retire': 'Card retired',
  'credential.setPin': 'PIN set',
  'credential.removePin': 'PIN removed',
} as const satisfies Readonly<Record<string, AuditWord>>;
