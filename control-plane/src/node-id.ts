import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UUID } from '@vaultplane/model/vaults/validation.ts';

/** This control plane's id, kept in data_dir/node-id. */
export function ensureNodeId(dataDir: string): string {
  const file = join(dataDir, 'node-id');
  const kept = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (UUID.test(kept)) return kept.toLowerCase();
  const made = randomUUID();
  rmSync(file, { force: true });
  // A new file: what was there may have been a link.
  writeFileSync(file, `${made}\n`, { mode: 0o600, flag: 'wx' });
  return made;
}
