import { join } from 'node:path';
import { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { removeDurably, writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { FileKindError } from '@vaultplane/platform/files/file-kind.ts';
import { readRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { inlinePem } from '@vaultplane/platform/settings/pem-setting.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { Actor } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { KeptExportKey, SealedElsewhere } from '../store/kept-export-key.ts';
import { keyringOf } from '../store/keyring-file.ts';

type ExportKeySettings = Pick<
  ControlPlaneSettings,
  'config_export_key_file' | 'keyring_key_file' | 'database' | 'data_dir'
>;

/** The export key of a control plane, and where it is kept; or why it has none. */
export type OwnExportKey =
  | { key: ExportKey; kept: 'config_export_key_file' | 'database' | 'data_dir' }
  | { key: undefined; problem: string };

/** Why a control plane on Postgres has none without a keyring. */
const NO_KEYRING =
  'this control plane has no export key; set keyring_key_file (openssl rand -base64 32 makes a key), under which one is kept in the database, or config_export_key_file (openssl genpkey -algorithm ed25519 makes one), the same for every control plane';

const SEALED =
  'the export key in the database is encrypted, and keyring_key_file is not set; set it, or make another export key, which every data plane must then be told: vaultplane-cp export-key --replace';

/**
 * The export key, made where there is none yet: that of config_export_key_file; else the database's, sealed by the keyring;
 * else, where the database is embedded, data_dir/export.key. A control plane on Postgres with no keyring has none, since
 * other control planes would have others, and it is never in the database unsealed. Nothing in the database stops a start:
 * without the key a control plane does all that it did before there was one, and data planes that know the key refuse it.
 *
 * @throws StartError where a file can't be used
 */
export async function ensureExportKey(settings: ExportKeySettings, database: Database): Promise<OwnExportKey> {
  const { config_export_key_file: file } = settings;
  const keyring = keyringOf(settings);
  if (file !== undefined) return { key: readExportKeyFile(file), kept: 'config_export_key_file' };
  if (keyring) {
    const keeper = new KeptExportKey(database, keyring);
    try {
      return { key: await moveIntoDatabase(settings, keeper), kept: 'database' };
    } catch (error) {
      if (error instanceof SealedElsewhere) return { key: undefined, problem: error.message };
      throw error;
    }
  }
  if (await KeptExportKey.exists(database)) {
    return { key: undefined, problem: SEALED };
  }
  if (settings.database !== 'embedded') return { key: undefined, problem: NO_KEYRING };
  const path = fileInDataDir(settings);
  const kept = readKeyFile('data_dir', path);
  return { key: kept ?? (await writeKey(path, ExportKey.generate())), kept: 'data_dir' };
}

/** The key of config_export_key_file. @throws StartError that says nothing of what the file holds */
export function readExportKeyFile(path: string): ExportKey {
  return readKeyFile('config_export_key_file', path)!;
}

/** A new key in place of the old one. @throws StartError where its place is the operator's, or there is none for it */
export async function replaceExportKey(
  settings: ExportKeySettings,
  database: Database,
  actor: Actor,
  now: number,
): Promise<ExportKey> {
  const { config_export_key_file: file } = settings;
  const keyring = keyringOf(settings);
  if (file !== undefined) throw new StartError('the export key is that of config_export_key_file; replace that file');
  if (keyring) return new KeptExportKey(database, keyring).replace(actor, now);
  if (settings.database !== 'embedded') throw new StartError(NO_KEYRING);
  // One that can't be opened any more would be in the way.
  await KeptExportKey.remove(database);
  return writeKey(fileInDataDir(settings), ExportKey.generate());
}

/** A key that was in data_dir before there was a keyring goes on being the key: data planes know it. */
async function moveIntoDatabase(settings: ExportKeySettings, keeper: KeptExportKey): Promise<ExportKey> {
  if (settings.database !== 'embedded') return keeper.ensure(undefined);
  const path = fileInDataDir(settings);
  const key = await keeper.ensure(readKeyFile('data_dir', path));
  await removeDurably(path);
  return key;
}

function fileInDataDir({ data_dir }: ExportKeySettings): string {
  return join(data_dir, 'export.key');
}

/** @returns undefined where it is data_dir's and not there */
function readKeyFile(setting: 'config_export_key_file' | 'data_dir', path: string): ExportKey | undefined {
  const named = setting === 'data_dir' ? path : setting;
  const inline = setting === 'data_dir' ? undefined : inlinePem(path);
  let pem: string;
  try {
    pem = inline ?? readRegularFile(path);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (setting === 'data_dir' && code === 'ENOENT') return undefined;
    const problem = error instanceof FileKindError ? error.message : code;
    throw new StartError(`${named} can't be read (${problem}); it must be ${KEY_FORMS}`);
  }
  try {
    return ExportKey.parse(pem);
  } catch (error) {
    throw new StartError(`${named} can't be used: ${errorMessage(error)}; it must be ${KEY_FORMS}`);
  }
}

const KEY_FORMS =
  'the path of a file with a private key, as `openssl genpkey -algorithm ed25519` makes one, that PEM itself, or base64 of it';

async function writeKey(path: string, key: ExportKey): Promise<ExportKey> {
  await writeDurably(path, key.pem);
  return key;
}

/** Whether a start with these settings has an export key, as far as can be told without the database. */
export function exportKeyProblem({
  config_export_key_file: file,
  keyring_key_file: keyring,
  database,
}: ExportKeySettings): string | undefined {
  return file === undefined && keyring === undefined && database !== 'embedded' ? NO_KEYRING : undefined;
}
