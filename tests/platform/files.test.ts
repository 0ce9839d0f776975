import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makePrivateDirectory, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import { readKey, readOrMakeKey } from '#hub/platform/files/keys.ts';
import { seal, sealOverheadBytes, unseal } from '#hub/platform/files/sealed-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mc-files-'));
});
afterEach(() => rm(folder, { recursive: true }));
const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

describe('a durable file', () => {
  it('is replaced as a whole, with the mode asked for, and leaves no draft', async () => {
    const file = path.join(folder, 'policy.bin');
    await writeFileDurably(file, 'first', 0o644);
    await writeFileDurably(file, Buffer.from('second'), 0o600);
    expect(await readFile(file, 'utf8')).toBe('second');
    expect(await modeOf(file)).toBe(0o600);
    expect(await readdir(folder)).toEqual(['policy.bin']);
  });

  it('keeps the former content when the new one cannot be put in its place', async () => {
    const target = path.join(folder, 'target');
    await makePrivateDirectory(path.join(target, 'child'));
    await expect(writeFileDurably(target, 'x')).rejects.toMatchObject({ code: 'fileNotWritten' });
    expect(await readdir(folder)).toEqual(['target']);
  });
});

describe('a key file', () => {
  it('is made once, private, and read back ever after', async () => {
    const file = path.join(folder, 'keys', 'site.key');
    const key = await readOrMakeKey(file);
    expect(key).toHaveLength(32);
    expect(await readOrMakeKey(file)).toEqual(key);
    expect(await readKey(file)).toEqual(key);
    expect(await modeOf(file)).toBe(0o600);
    expect(await modeOf(path.dirname(file))).toBe(0o700);
  });

  it('is refused when missing, readable by others or of another length, and never overwritten', async () => {
    const file = path.join(folder, 'site.key');
    await expect(readKey(file)).rejects.toMatchObject({
      code: 'keyMissing',
      message: expect.stringContaining(file),
    });
    await writeFile(file, Buffer.alloc(31), { mode: 0o600 });
    await expect(readOrMakeKey(file)).rejects.toMatchObject({ code: 'keyTorn' });
    await chmod(file, 0o640);
    await expect(readOrMakeKey(file)).rejects.toMatchObject({
      code: 'keyExposed',
      message: expect.stringContaining('640'),
    });
    expect(await readFile(file)).toEqual(Buffer.alloc(31));
  });
});

describe('a sealed file', () => {
  const key = Buffer.alloc(32, 1);
  const sealWhole = (bytes: Uint8Array, purpose: string): Buffer =>
    Buffer.concat([...seal(key, [bytes], purpose)]);
  const plain = Buffer.from('the policy of the front door');

  it('opens to what was sealed, for the same purpose and key only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.string(), fc.string(), (bytes, purpose, other) => {
        const sealed = sealWhole(bytes, purpose);
        expect(sealed).toHaveLength(bytes.length + sealOverheadBytes);
        expect([...unseal(key, sealed, purpose)]).toEqual([...bytes]);
        if (Buffer.from(other).equals(Buffer.from(purpose))) return;
        expect(() => unseal(key, sealed, other)).toThrow(expect.objectContaining({ code: 'tornFile' }));
      }),
    );
  });

  it('is the same file whatever parts it was made of', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(200_000)).map((_, index) => index % 251);
    const parts = [shared.subarray(0, 3), shared.subarray(3, 70_000), shared.subarray(70_000)];
    const pieces = [...seal(key, parts, 'p')];
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(65_536);
    expect(unseal(key, Buffer.concat(pieces), 'p').equals(Buffer.from(shared))).toBe(true);
  });

  it('shows nothing of what it holds, and never looks the same twice', () => {
    expect(sealWhole(plain, 'p').includes('policy')).toBe(false);
    expect(sealWhole(plain, 'p').equals(sealWhole(plain, 'p'))).toBe(false);
  });

  it('says wrongKey for another key', () => {
    expect(() => unseal(Buffer.alloc(32, 2), sealWhole(plain, 'p'), 'p')).toThrow(
      expect.objectContaining({ code: 'wrongKey' }),
    );
  });

  it('says that it is damaged at whichever bit it was changed or byte it was cut', () => {
    const sealed = sealWhole(plain, 'p');
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 0x10;
      expect(() => unseal(key, changed, 'p')).toThrow(
        expect.objectContaining({ code: at >= 5 && at < 9 ? 'wrongKey' : 'tornFile' }),
      );
      expect(() => unseal(key, sealed.subarray(0, at), 'p')).toThrow(
        expect.objectContaining({ code: 'tornFile' }),
      );
    }
  });
});
