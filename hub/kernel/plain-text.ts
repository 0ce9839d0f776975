/**
 * Characters that no text of people holds: control characters, line and paragraph separators, and those that turn the
 * writing direction of what stands behind them. By their numbers, so that every reader of the API's document understands
 * it; halves of surrogate pairs, which not every one does, are checked apart.
 */
const forbidden = String.raw`\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069`;
export const linePattern = new RegExp(`^[^${forbidden}]*$`, 'u');
export const textPattern = new RegExp(`^([^${forbidden}]|[\\t\\n\\r])*$`, 'u');
const forbiddenPattern = new RegExp(String.raw`[${forbidden}\p{Cs}]`, 'gu');

/** Shows what no schema has checked: each forbidden character but tabs and line breaks becomes U+FFFD. */
export const toPlainText = (text: string): string =>
  text.replace(forbiddenPattern, (character) => (/[\t\n]/.test(character) ? character : '\uFFFD'));

/** Shows on one line what no schema has checked: each forbidden character becomes U+FFFD. */
export const toPlainLine = (text: string): string => text.replace(forbiddenPattern, '\uFFFD');
