import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

// A worker is ended before it writes what it counted.
afterAll(() => takeCoverage());
