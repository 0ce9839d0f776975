import { recordsOf, textOf } from './command.ts';

const marks: Readonly<Record<string, string>> = { error: 'ERROR  ', warning: 'WARNING', info: 'NOTE   ' };
const width = 96;

/** Breaks text at blanks, with an indent on every line. */
export function wrap(text: string, indent: string, columns = width): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > columns) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line];
}

/** Findings for people: the mark, what was seen, and what to do. */
export function findingLines(findings: unknown): readonly string[] {
  return recordsOf(findings).flatMap(({ id, severity, evidence, fix }) => [
    `${marks[textOf(severity)] ?? textOf(severity)}  ${textOf(id)}`,
    ...wrap(textOf(evidence), '  '),
    ...wrap(`-> ${textOf(fix)}`, '  '),
  ]);
}

/** 1 when one is an error, else 0. */
export const exitCodeOf = (findings: unknown): 0 | 1 =>
  recordsOf(findings).some(({ severity }) => severity === 'error') ? 1 : 0;
