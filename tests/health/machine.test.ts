import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '#hub/kernel/finding.ts';
import { clockHealth } from '#hub/platform/clock/clock-health.ts';
import { type DiskSpace, diskFindings, diskHealth } from '#hub/platform/health/disk-health.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { lagFindings, watchProcess } from '#hub/platform/health/process-health.ts';
import { makeAuthority, makeServerCertificate } from '#hub/platform/tls/certificate.ts';
import { tlsHealth } from '#hub/platform/tls/tls-health.ts';
import { mountSmallDisk } from '#tests/_support/crash/small-disk.ts';

const brief = (findings: readonly Finding[] | undefined): string[] =>
  (findings ?? []).map(({ id, severity }) => `${severity} ${id}`);
const found = async (part: HealthPart): Promise<string[]> => brief(await part.findings?.());

const mebibyte = 1024 * 1024;
const card: DiskSpace = {
  totalBytes: 32_000 * mebibyte,
  freeBytes: 16_000 * mebibyte,
  freeInodes: 1_000_000,
  totalInodes: 2_000_000,
};

describe('the disk', () => {
  it.each<[string, Partial<DiskSpace>, string[]]>([
    ['half full', {}, []],
    ['with a tenth left', { freeBytes: 3200 * mebibyte }, []],
    ['with less than a tenth left', { freeBytes: 3199 * mebibyte }, ['warning disk.low']],
    ['of 4 GiB with 1 GiB left', { totalBytes: 4096 * mebibyte, freeBytes: 1024 * mebibyte }, []],
    [
      'of 4 GiB with less left',
      { totalBytes: 4096 * mebibyte, freeBytes: 1023 * mebibyte },
      ['warning disk.low'],
    ],
    ['with less than 200 MiB left', { freeBytes: 199 * mebibyte }, ['error disk.low']],
    ['that is full', { freeBytes: 0 }, ['error disk.full']],
    ['with few files left', { freeInodes: 9999 }, ['warning disk.inodes']],
    ['with no files left', { freeInodes: 3 }, ['error disk.inodes']],
    ['that does not count files', { freeInodes: null, totalInodes: null }, []],
  ])('%s', (_name, change, expected) => {
    expect(brief(diskFindings({ ...card, ...change }))).toEqual(expected);
  });

  it('is read as it is: a file system that fills up', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mc-disk-'));
    const disk = mountSmallDisk(folder, 4096, 'findings of a full disk');
    onTestFinished(() => {
      disk?.unmount();
      rmSync(folder, { recursive: true, force: true });
    });
    if (disk === null) return;
    const part = diskHealth(folder);
    expect(await found(part)).toContain('error disk.low');
    disk.fill();
    expect(await found(part)).toContain('error disk.full');
    expect((await part.findings?.())?.[0]?.evidence).toContain('Doors open as before');
    expect((await part.figures?.())?.find(({ name }) => name === 'freeBytes')?.value).toBe(0);
    disk.free();
    expect(await found(part)).not.toContain('error disk.full');
  });
});

describe('the clock', () => {
  it.each([
    ['ntp', []],
    ['rtc', []],
    ['hub', []],
    ['restored', ['warning clock.unset']],
    ['none', ['error clock.unset']],
  ] as const)('%s', async (trust, expected) => {
    const part = clockHealth({ nowMs: () => 1, trust: () => trust });
    expect(await found(part)).toEqual(expected);
    expect(part.metrics?.[0]?.read()).toEqual([{ value: expected.length === 0 ? 1 : 0 }]);
  });
});

describe('the event loop', () => {
  it.each([
    [99, []],
    [100, ['warning process.eventLoop']],
    [999, ['warning process.eventLoop']],
    [1000, ['error process.eventLoop']],
  ])('that keeps every hundredth thing waiting for %d ms', (p99Ms, expected) => {
    expect(brief(lagFindings({ p99Ms, maxMs: p99Ms }))).toEqual(expected);
  });

  it('is measured: a loop that stands still shows', async () => {
    const watch = watchProcess();
    onTestFinished(() => watch.close());
    const longest = async (): Promise<unknown> =>
      (await watch.part.figures?.())?.find(({ name }) => name === 'lagMaxMs')?.value;
    // The first look of the watch starts its measuring.
    await expect.poll(longest, { timeout: 10_000 }).toBeGreaterThan(0);
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
    await expect.poll(longest, { timeout: 10_000 }).toBeGreaterThan(200);
  });
});

describe('the certificate', () => {
  const madeMs = Date.UTC(2026, 10, 23);
  const dayMs = 86_400_000;
  const names = { dnsNames: ['hub.local'], addresses: [] };
  const authority = makeAuthority({ commonName: 'Test', dnsNames: ['local'], nowMs: madeMs });
  const { cert } = makeServerCertificate({ authority, authorityName: 'Test', ...names, nowMs: madeMs });

  it.each([
    [0, []],
    // It is made anew 30 days before its end, so up to here nothing is late.
    [397 - 26, []],
    [397 - 20, ['warning tls.expires']],
    [397 - 5, ['error tls.expires']],
    [397 + 3, ['error tls.expires']],
  ])('after %d days', async (days, expected) => {
    const part = tlsHealth({ current: () => ({ cert }) }, { nowMs: () => madeMs + days * dayMs });
    expect(await found(part)).toEqual(expected);
  });
});
