import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

const writers = new Set(['insertInto', 'updateTable', 'deleteFrom', 'replaceInto', 'mergeInto']);
const writingSql =
  /\b(insert\s+(or\s+\w+\s+)?into|update|delete\s+from|replace\s+into|create|drop|alter|pragma|attach|detach|vacuum|reindex|begin|commit|savepoint)\b/i;
const driver = /^(better-sqlite3|better-sqlite3-multiple-ciphers|node:sqlite)$/;

/** Every TypeScript file below a folder, except those below `without`. */
export function sourcesIn(folder: string, without: readonly string[]): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    if (without.includes(name)) return [];
    if (entry.isDirectory()) return sourcesIn(name, without);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [name] : [];
  });
}

/** Where a file could write to the store in another way than by the functions of a `Transaction`. */
export function findWrites(file: string, source: string = readFileSync(file, 'utf8')): Finding[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const findings: Finding[] = [];
  const report = (node: ts.Node, what: string): void => {
    findings.push({ file, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1, what });
  };
  const visit = (node: ts.Node): void => {
    inspect(node, report);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return findings;
}

function inspect(node: ts.Node, report: (node: ts.Node, what: string) => void): void {
  if (ts.isPropertyAccessExpression(node) && writers.has(node.name.text) && !isLocal(node.expression))
    report(node, `${node.name.text} not through tx.local`);
  if (ts.isStringLiteralLike(node) && writers.has(node.text) && !ts.isTypeNode(node.parent))
    report(node, `${node.text} by its name`);
  if (ts.isBindingElement(node) && writers.has((node.propertyName ?? node.name).getText()))
    report(node, `${node.getText()} taken out of its object`);
  if (
    ts.isTaggedTemplateExpression(node) &&
    /^sql\b/.test(node.tag.getText()) &&
    writingSql.test(node.template.getText())
  )
    report(node, 'SQL that writes');
  if (ts.isPropertyAccessExpression(node) && node.expression.getText() === 'sql' && node.name.text === 'raw')
    report(node, 'SQL from a string');
  if (ts.isImportDeclaration(node)) inspectImport(node, report);
  if (
    ts.isCallExpression(node) &&
    (node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require')
  ) {
    const [target] = node.arguments;
    if (
      target !== undefined &&
      ts.isStringLiteralLike(target) &&
      (driver.test(target.text) || target.text === 'kysely')
    )
      report(node, `${target.text} loaded at run time`);
  }
}

function inspectImport(node: ts.ImportDeclaration, report: (node: ts.Node, what: string) => void): void {
  const from = ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : '';
  if (driver.test(from)) report(node, `${from} imported`);
  if (from !== 'kysely' || node.importClause?.isTypeOnly === true) return;
  const bindings = node.importClause?.namedBindings;
  const values =
    bindings !== undefined && ts.isNamedImports(bindings)
      ? bindings.elements
          .filter(({ isTypeOnly }) => !isTypeOnly)
          .map(({ propertyName, name }) => (propertyName ?? name).text)
      : ['everything'];
  for (const value of values)
    if (value !== 'sql' && value !== 'expressionBuilder') report(node, `${value} of kysely imported`);
}

// `tx.local`, and nothing that was named `local` on the way.
const isLocal = (expression: ts.Expression): boolean =>
  ts.isPropertyAccessExpression(expression) && expression.name.text === 'local';
