/** The public tests of aedes' persistence interface; the package has no types for them. */
declare module 'aedes-persistence/abstract.js' {
  /** What the tests use of node:test's context. */
  export interface SuiteContext {
    plan(assertions: number): void;
    diagnostic(message: string): void;
    readonly assert: Record<string, (...values: unknown[]) => void>;
  }
  export default function abstractPersistence(options: {
    test: (name: string, body: (t: SuiteContext) => Promise<void>) => void;
    persistence: () => Promise<unknown>;
    testAsync: true;
  }): void;
}
