import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import type { ControlPlaneSettings } from '../settings.ts';

type KeyringSettings = Pick<ControlPlaneSettings, 'keyring_key_file' | 'database' | 'data_dir'>;

/** In data_dir: the keyring that an embedded control plane has made, since none was set when it needed one. */
export const MADE_KEYRING_FILE = 'keyring.key';

/** The file of the keyring: keyring_key_file, or the one that was made in data_dir; undefined where there is none. */
export function keyringFile({ keyring_key_file: set, database, data_dir }: KeyringSettings): string | undefined {
  if (set !== undefined || database !== 'embedded') return set;
  const made = join(data_dir, MADE_KEYRING_FILE);
  return existsSync(made) ? made : undefined;
}

/** @throws StartError when the file can't be read, or holds no keys */
export function keyringOf(settings: KeyringSettings): Keyring | undefined {
  const file = keyringFile(settings);
  return file === undefined ? undefined : Keyring.read(file);
}

/** Makes the keyring of an embedded control plane, where there is none. Its data_dir is no other program's. */
export async function ensureKeyring(settings: KeyringSettings): Promise<void> {
  if (settings.database !== 'embedded' || keyringFile(settings) !== undefined) return;
  await writeDurably(join(settings.data_dir, MADE_KEYRING_FILE), `${randomBytes(32).toString('hex')}\n`);
}
