import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * A file system of its own that holds so many bytes, for the time of a test; undefined, with the test skipped by name,
 * where none can be mounted.
 */
export function smallDisk(t: TestContext, bytes: number, options = ''): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    t.skip('only root can mount a small disk');
    return undefined;
  }
  const path = mkdtempSync(join(tmpdir(), 'vaultplane-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${options}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    rmdirSync(path);
    t.skip('this machine does not let a small disk be mounted');
    return undefined;
  }
  t.after(() => {
    execFileSync('umount', ['-l', path], { stdio: 'ignore' });
    rmdirSync(path);
  });
  return path;
}

/** Makes a small disk read-only, for root too, or writable again. */
export function setReadOnly(path: string, readOnly: boolean): void {
  execFileSync('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, path], { stdio: 'ignore' });
}
