import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { entityTagOf, matchesTag, readIfMatch } from '#hub/http/serving/entity-tag.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { ask, serve } from './support.ts';

const toolSchema = z.strictObject({
  id: z.string(),
  version: z.number(),
  name: z.string(),
  heat: z.number(),
});
/** One tool. `heat` changes without its version, as a member's standing or a door's state does. */
function makeTool() {
  const tool = { id: 'lathe', version: 3, name: 'Lathe', heat: 20 };
  const access = { open: 'test' } as const;
  const params = z.strictObject({ id: z.string() });
  const endpoints = [
    defineEndpoint({
      method: 'GET',
      path: '/api/tools/{id}',
      summary: 'One',
      tag: 'tools',
      access,
      params,
      response: toolSchema,
      refusals: [],
      handle: async () => ok(tool),
    }),
    defineEndpoint({
      method: 'PATCH',
      path: '/api/tools/{id}',
      summary: 'Change',
      tag: 'tools',
      access,
      params,
      body: z.strictObject({ version: z.number().int(), name: z.string() }),
      response: toolSchema,
      refusals: ['staleVersion'],
      async handle({ body }) {
        if (body.version !== tool.version) return refuse({ code: 'staleVersion', current: tool });
        Object.assign(tool, { name: body.name, version: tool.version + 1 });
        return ok(tool);
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/api/tools/{id}',
      summary: 'Remove',
      tag: 'tools',
      access,
      params,
      response: toolSchema,
      refusals: [],
      handle: async () => ok(tool),
    }),
  ];
  return { tool, endpoints };
}

async function serveTool() {
  const { tool, endpoints } = makeTool();
  const { origin } = await serve({ endpoints });
  const url = `${origin}/api/tools/lathe`;
  return {
    tool,
    url,
    patch: (body: unknown, headers: Record<string, string>) =>
      fetch(url, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
  };
}

describe('an ETag', () => {
  it('names the version, changes with anything in the answer, and saves the body of a repeated read', async () => {
    const { tool, url } = await serveTool();
    const first = await fetch(url);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"3-[\w-]{16}"$/);
    const again = await ask({ ...urlParts(url), headers: { 'if-none-match': `"x", W/${etag}` } });
    expect([again.status, again.text, again.headers.etag]).toEqual([304, '', etag]);
    expect((await fetch(url, { headers: { 'if-none-match': '*' } })).status).toBe(304);
    tool.heat = 21;
    const changed = await fetch(url, { headers: { 'if-none-match': etag } });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
  });

  it('comes with HEAD as with GET', async () => {
    const { url } = await serveTool();
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('etag')).toBe((await fetch(url)).headers.get('etag'));
    expect(await head.text()).toBe('');
  });

  it('is not on an answer to DELETE, which is not what lies at the address', async () => {
    const { url } = await serveTool();
    const removed = await fetch(url, { method: 'DELETE' });
    expect([removed.status, removed.headers.get('etag')]).toEqual([200, null]);
  });
});

describe('If-Match', () => {
  it('stands for the version of the body', async () => {
    const { url, tool, patch } = await serveTool();
    const etag = (await fetch(url)).headers.get('etag') ?? '';
    const changed = await patch({ name: 'Big lathe' }, { 'if-match': etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).toMatch(/^"4-/);
    expect((await patch({ name: 'Lathe' }, { 'if-match': '"4"' })).status).toBe(200);
    expect(tool).toMatchObject({ name: 'Lathe', version: 5 });
  });

  it('of an older version changes nothing and answers 412 with what it is now', async () => {
    const { tool, patch } = await serveTool();
    const stale = await patch({ name: 'x' }, { 'if-match': '"2-abc"' });
    expect([stale.status, await stale.json()]).toMatchObject([
      412,
      { code: 'staleVersion', current: { version: 3 } },
    ]);
    expect((await patch({ name: 'x', version: 2 }, {})).status).toBe(409);
    for (const tag of ['W/"3-abc"', '"other"']) {
      const failed = await patch({ name: 'x' }, { 'if-match': tag });
      expect([failed.status, await failed.json()]).toMatchObject([412, { code: 'preconditionFailed' }]);
    }
    expect(tool.name).toBe('Lathe');
  });

  it('that contradicts the body is refused with both versions', async () => {
    const { patch } = await serveTool();
    const answer = await patch({ name: 'x', version: 3 }, { 'if-match': '"2"' });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { code: 'ifMatchDiffers', ifMatchVersion: 2, bodyVersion: 3 },
    ]);
    expect((await patch({ name: 'x', version: 3 }, { 'if-match': '*' })).status).toBe(200);
  });

  it('is refused, not ignored, where no version is compared or the header cannot be read', async () => {
    const { url, patch, tool } = await serveTool();
    const removal = await fetch(url, { method: 'DELETE', headers: { 'if-match': '"3"' } });
    expect([removal.status, await removal.json()]).toMatchObject([
      400,
      { code: 'preconditionInvalid', header: 'If-Match' },
    ]);
    for (const headers of [{ 'if-match': 'three' }, { 'if-match': '"2", "3"' }, { 'if-none-match': '*' }])
      expect((await patch({ name: 'x' }, headers)).status).toBe(400);
    expect(tool.name).toBe('Lathe');
  });
});

describe('entity tags', () => {
  it('are compared whole and without their weakness on a read', () => {
    const etag = entityTagOf(3, '{}');
    expect(matchesTag(`W/${etag}`, etag)).toBe(true);
    expect(matchesTag('"3"', etag)).toBe(false);
    expect(matchesTag(`${etag}garbage`, etag)).toBe(false);
    expect(matchesTag('', etag)).toBe(false);
  });

  it('count for their version on a write', () => {
    expect(readIfMatch('"12-abc", "12-def"')).toEqual({ kind: 'version', version: 12 });
    expect(readIfMatch(' * ')).toEqual({ kind: 'any' });
    expect(readIfMatch('"12abc"')).toEqual({ kind: 'refused', code: 'preconditionFailed' });
  });
});

function urlParts(url: string) {
  const { hostname, port, pathname } = new URL(url);
  return { hostname, port, path: pathname };
}
