import { z } from 'zod';
import { linePattern, textPattern } from './plain-text.ts';

/** Letters, digits, signs; the fillers among them show nothing. */
const visiblePattern = /[^\P{L}\u115F\u1160\u3164\uFFA0]|[^\P{S}\u2800]|\p{N}|\p{P}/u;

const isWellFormed = (text: string): boolean => text.isWellFormed();
const halves = { error: 'must not hold half of a character (a lone surrogate)' };
const isVisible = (text: string): boolean => text === '' || visiblePattern.test(text);
const unseen = { error: 'must hold a character that can be seen' };

/** One line of text for people, at most `maxLength` long, without blanks around it. */
export const lineOf = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(linePattern, {
      error: 'must be one line without control characters or marks that turn the writing direction',
      abort: true,
    })
    .refine(isWellFormed, { ...halves, abort: true })
    .refine(isVisible, unseen);

/** Text with line breaks. */
export const textOf = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(textPattern, {
      error: 'must not hold control characters or marks that turn the writing direction',
      abort: true,
    })
    .refine(isWellFormed, { ...halves, abort: true })
    .refine(isVisible, unseen);

/** Name of a thing. */
export const nameSchema = lineOf(100);
/** Reason that a person gives. */
export const reasonSchema = lineOf(200);
