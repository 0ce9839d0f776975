import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { subjectExists } from '#hub/domains/members/workflow.ts';
import { windowErrors } from '#hub/domains/places/rules.ts';
import { areaExists } from '#hub/domains/places/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { assertWritten, type FieldRefusal, type Stale } from '#hub/store/written.ts';
import { followPolicyChange } from '../doors/change-workflow.ts';
import { findPortal, findPortals } from '../doors/repository.ts';
import type { PolicyRule } from '../schema.ts';
import type { RuleDeps } from './deps.ts';
import { findRule, findRules, ruleColumns } from './repository.ts';
import type { Rule, ruleCreateSchema, rulePatchSchema } from './schema.ts';
import { ruleToWire } from './view.ts';

/** Bound of a policy's document. */
const maxRules = 5_000;

export type RuleRefusal = FieldRefusal<'ruleInvalid'> | Refusal<'tooManyRules'>;

/** What a rule names must be there, and its dates must leave some time in between. */
async function checkRule(tx: Transaction, rule: Omit<PolicyRule, 'id'>): Promise<RuleRefusal | null> {
  const errors: { pointer: string; message: string }[] = [];
  const { subject, target } = rule;
  if (target.kind === 'area' && !(await areaExists(tx, target.id)))
    errors.push({ pointer: '/body/target/id', message: 'is no area: choose one of the list' });
  if (target.kind === 'portal' && (await findPortal(tx, target.id)) === null)
    errors.push({ pointer: '/body/target/id', message: 'is no door: choose one of the list' });
  if (subject.kind !== 'everyone' && !(await subjectExists(tx, subject)))
    errors.push({ pointer: '/body/subject/id', message: `is no ${subject.kind}: choose one of the list` });
  if (rule.validFromMs !== null && rule.validUntilMs !== null && rule.validUntilMs <= rule.validFromMs)
    errors.push({ pointer: '/body/validUntil', message: 'must be later than validFrom' });
  for (const { index, message } of windowErrors(rule.windows))
    errors.push({ pointer: `/body/windows/${index}/endMinute`, message });
  return errors.length === 0 ? null : { code: 'ruleInvalid', errors };
}

const toMs = (text: string | null): number | null => (text === null ? null : Date.parse(text));

async function showRule(tx: Transaction, id: string): Promise<Rule> {
  const row = await findRule(tx, id);
  assert(row !== null, 'a rule that was just written is there');
  return ruleToWire(row);
}

/** Adds a rule inside a transaction; the caller has checked it. */
export async function insertRule(
  deps: RuleDeps,
  tx: Transaction,
  actor: Actor,
  rule: Omit<PolicyRule, 'id'>,
): Promise<string> {
  const id = deps.newId();
  await tx.insert('access_rule', { id, ...ruleColumns(rule) });
  const payload = { name: rule.name, subject: rule.subject, target: rule.target };
  await followPolicyChange(deps, tx, actor, { action: 'rule.create', table: 'access_rule', id, payload });
  return id;
}

export function createRule(
  deps: RuleDeps,
  actor: Actor,
  body: z.output<typeof ruleCreateSchema>,
): Promise<Result<Rule, RuleRefusal>> {
  const { validFrom, validUntil, ...fields } = body;
  const rule = { ...fields, validFromMs: toMs(validFrom), validUntilMs: toMs(validUntil) };
  return deps.store.transact('rule.create', async (tx) => {
    if ((await findRules(tx)).length >= maxRules) return refuse({ code: 'tooManyRules' });
    const refusal = await checkRule(tx, rule);
    if (refusal !== null) return refuse(refusal);
    return ok(await showRule(tx, await insertRule(deps, tx, actor, rule)));
  });
}

export function changeRule(
  deps: RuleDeps,
  actor: Actor,
  id: string,
  body: z.output<typeof rulePatchSchema>,
): Promise<Result<Rule, RuleRefusal | Refusal<'ruleNotFound'> | Stale<Rule>>> {
  return deps.store.transact('rule.change', async (tx) => {
    const row = await findRule(tx, id);
    if (row === null) return refuse({ code: 'ruleNotFound' });
    if (row.version !== body.version) return refuse({ code: 'staleVersion', current: ruleToWire(row) });
    const rule = {
      name: body.name ?? row.name,
      subject: body.subject ?? row.subject,
      target: body.target ?? row.target,
      windows: body.windows ?? row.windows,
      outsideOpeningHours: body.outsideOpeningHours ?? row.outsideOpeningHours,
      validFromMs: body.validFrom === undefined ? row.validFromMs : toMs(body.validFrom),
      validUntilMs: body.validUntil === undefined ? row.validUntilMs : toMs(body.validUntil),
    };
    const refusal = await checkRule(tx, rule);
    if (refusal !== null) return refuse(refusal);
    assertWritten(await tx.write('access_rule', id, ruleColumns(rule)));
    const payload = { name: rule.name, subject: rule.subject, target: rule.target };
    await followPolicyChange(deps, tx, actor, { action: 'rule.change', table: 'access_rule', id, payload });
    return ok(await showRule(tx, id));
  });
}

export function removeRule(
  deps: RuleDeps,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'ruleNotFound'>>> {
  return deps.store.transact('rule.remove', async (tx) => {
    const row = await findRule(tx, id);
    if (row === null) return refuse({ code: 'ruleNotFound' });
    await tx.remove('access_rule', id);
    const payload = { name: row.name };
    await followPolicyChange(deps, tx, actor, { action: 'rule.remove', table: 'access_rule', id, payload });
    return ok(null);
  });
}

/** Removes the rules that are about one door alone. */
export async function removeRulesOf(tx: Transaction, portalId: string): Promise<void> {
  for (const { id, target } of await findRules(tx))
    if (target.kind === 'portal' && target.id === portalId) await tx.remove('access_rule', id);
}

/** The doors and rules of an area, in words; while there are any, it cannot be removed. */
export async function findDoorsAndRulesAt(reader: Reader, areaId: string): Promise<readonly string[]> {
  return [
    ...(await findPortals(reader))
      .filter((portal) => portal.areaId === areaId)
      .map(({ name }) => `door ${name}`),
    ...(await findRules(reader))
      .filter(({ target }) => target.kind === 'area' && target.id === areaId)
      .map(({ name }) => `rule ${name}`),
  ];
}
