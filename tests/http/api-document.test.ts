import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import spectralCore, { type RulesetDefinition } from '@stoplight/spectral-core';
import spectralRulesets from '@stoplight/spectral-rulesets';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '#hub/compose.ts';
import { lastingTopicsOf } from '#hub/domains/webhooks/schema.ts';
import { platformProblems } from '#hub/http/endpoint/problem.ts';
import { catalog } from '#tests/_support/open-domains.ts';

interface Example {
  value: { code: string; title: string; nextStep?: string; status: number };
}
interface Content {
  schema: object;
  example?: unknown;
  examples?: Record<string, Example>;
}
interface Described {
  $ref?: string;
  description: string;
  headers?: Record<string, unknown>;
  content?: Record<string, Content>;
}
interface Parameter {
  $ref?: string;
  name: string;
  in: string;
  description?: string;
  schema: object;
  example?: unknown;
}
interface Operation {
  summary: string;
  description: string;
  tags: string[];
  security: Record<string, string[]>[];
  parameters: Parameter[];
  requestBody?: { content: Record<string, Content> };
  responses: Record<string, Described>;
}
interface OpenapiDocument {
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, { post: Operation & { summary: string } }>;
  tags: { name: string; description?: string }[];
  components: {
    schemas: Record<string, object>;
    responses: Record<string, Described>;
    parameters: Record<string, Parameter>;
    securitySchemes: Record<string, { description?: string }>;
  };
}

const folder = mkdtempSync(path.join(tmpdir(), 'mc-doc-'));
let hub: Hub;
let document: OpenapiDocument;
let operations: { name: string; method: string; operation: Operation }[];

beforeAll(async () => {
  hub = await startHub({
    env: {
      MAKRCAVE_STATE_DIR: folder,
      MAKRCAVE_HTTP_PORT: '0',
      MAKRCAVE_HTTP_HTTPS_PORT: '0',
      MAKRCAVE_MQTT_TLS_PORT: '0',
      MAKRCAVE_LOG_LEVEL: 'silent',
    },
    listen: 'all',
  });
  const answer = await fetch(`http://localhost:${hub.httpPort}/openapi.json`);
  document = (await answer.json()) as OpenapiDocument;
  const { responses, parameters } = document.components;
  const resolve = (response: Described): Described =>
    responses[response.$ref?.split('/').at(-1) ?? ''] ?? response;
  operations = Object.entries(document.paths).flatMap(([route, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${route}`,
      method,
      operation: {
        ...operation,
        parameters: operation.parameters.map(
          (parameter) => parameters[parameter.$ref?.split('/').at(-1) ?? ''] ?? parameter,
        ),
        responses: Object.fromEntries(
          Object.entries(operation.responses).map(([status, response]) => [status, resolve(response)]),
        ),
      },
    })),
  );
});
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const { Spectral } = spectralCore;
const { oas } = spectralRulesets;

/** The published rules of OpenAPI, all of them, and what we ask beyond. */
const ruleset = {
  extends: [[oas, 'all']],
  rules: {
    // The box of a makerspace has no licence or homepage to point at, and tags stand in the order of reading.
    'info-license': 'off',
    'license-url': 'off',
    'contact-properties': 'off',
    'openapi-tags-alphabetical': 'off',
    // It compiles patterns without the unicode flag; `has examples that fit their schemas` looks at the same.
    'oas3-valid-media-example': 'off',
  },
} as unknown as RulesetDefinition;

describe('the document of the whole hub', { timeout: 90_000 }, () => {
  it('passes the published rules for OpenAPI documents without a warning', async () => {
    const spectral = new Spectral();
    spectral.setRuleset(ruleset);
    const found = await spectral.run(JSON.stringify(document));
    expect(found.map(({ code, path: place, message }) => `${code} ${place.join('.')}: ${message}`)).toEqual(
      [],
    );
  });

  it('says of every operation what it does, who may call it, and what each parameter means', () => {
    const silent = operations.flatMap(({ name, operation }) => [
      ...(operation.summary.length > 5 ? [] : [`${name} has no summary`]),
      ...(/permission|signed in|open to/i.test(operation.description) ? [] : [`${name} says not who may`]),
      ...operation.parameters
        .filter(({ description = '' }) => description.length < 3)
        .map((parameter) => `${name}: ${parameter.in} parameter ${parameter.name} has no description`),
      ...Object.values(operation.requestBody?.content ?? {})
        .filter(({ example, examples }) => example === undefined && examples === undefined)
        .map(() => `${name} has a body without an example`),
      ...Object.entries(operation.responses)
        .filter(([, { headers }]) => headers?.['X-Request-ID'] === undefined)
        .map(([status]) => `${name} ${status} names no headers`),
    ]);
    expect(silent).toEqual([]);
    expect(operations.length).toBeGreaterThan(hub.endpoints.length);
  });

  it('describes what is sent to webhooks, for every topic that they can have', () => {
    const topics = Object.entries(document.webhooks).map(([topic, { post }]) => [
      topic,
      post.summary,
      Object.keys(post.requestBody?.content ?? {}),
    ]);
    expect(topics).toEqual(
      lastingTopicsOf(catalog.topics).map((topic) => [
        topic,
        catalog.topics[topic]?.text,
        ['application/json'],
      ]),
    );
  });

  it('describes every tag that is used', () => {
    const described = document.tags.filter(({ description }) => description).map(({ name }) => name);
    expect([...new Set(operations.flatMap(({ operation }) => operation.tags))].sort()).toEqual(
      [...described].sort(),
    );
  });

  it('has an example with title and next step for every code of every refusal', () => {
    const missing: string[] = [];
    let codes = 0;
    for (const { name, operation } of operations)
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) < 400 || response.content?.['application/json'] !== undefined) continue;
        const problem = response.content?.['application/problem+json'];
        const examples = Object.entries(problem?.examples ?? {});
        if (examples.length === 0) missing.push(`${name} ${status} has no example of a problem`);
        for (const [code, example] of examples) {
          const { value } = example;
          codes += 1;
          if (value.code !== code || value.status !== Number(status))
            missing.push(`${name} ${status} ${code}: another example`);
          if (!value.title || !value.nextStep) missing.push(`${code} has no title or no next step`);
          if (catalog.problems[code] === undefined && !(code in platformProblems))
            missing.push(`${code} has no words in problem-texts.ts`);
        }
      }
    expect([...new Set(missing)]).toEqual([]);
    expect(codes).toBeGreaterThan(1000);
  });

  it('has examples that fit their schemas', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    ajv.addSchema({ ...document, $id: 'hub' }, 'hub');
    const compiled = new Map<string, ValidateFunction>();
    const misfits: string[] = [];
    let count = 0;
    const check = (name: string, schema: object, value: unknown): void => {
      count += 1;
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"hub#/components/');
      const validate = compiled.get(text) ?? ajv.compile(JSON.parse(text));
      compiled.set(text, validate);
      if (!validate(value))
        misfits.push(
          `${name}: ${validate.errors?.map((error: ErrorObject) => `${error.instancePath} ${error.message}`).join(', ')}`,
        );
    };
    for (const { name, operation } of operations) {
      for (const { name: parameter, schema, example } of operation.parameters)
        if (example !== undefined) check(`${name} ${parameter}`, schema, example);
      const contents = [
        ...Object.entries(operation.requestBody?.content ?? {}),
        ...Object.values(operation.responses).flatMap(({ content }) => Object.entries(content ?? {})),
      ];
      for (const [mediaType, content] of contents) {
        if (content.example !== undefined) check(`${name} ${mediaType}`, content.schema, content.example);
        for (const [code, example] of Object.entries(content.examples ?? {}))
          check(`${name} ${code}`, content.schema, example.value);
      }
    }
    expect(misfits).toEqual([]);
    expect(count).toBeGreaterThan(1000);
  });

  it('has examples of bodies that the endpoints take as they are', () => {
    const refused = hub.endpoints.flatMap(({ method, path: route, body }) => {
      const content = document.paths[route]?.[method.toLowerCase()]?.requestBody?.content['application/json'];
      const parsed = body?.safeParse(content?.example);
      return parsed === undefined || parsed.success ? [] : [`${method} ${route}: ${parsed.error.message}`];
    });
    expect(refused).toEqual([]);
  });
});
