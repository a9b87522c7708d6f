import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';
import type { Command } from 'commander';
import {
  forgetPinnedKeys,
  parseTrustedKeys,
  pinKeys,
  readPinnedKeys,
  readTrustedKeys,
} from '../config-sync/trusted-keys.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

interface TrustOptions extends SettingsOption {
  forget?: true;
  json?: true;
}

export function trustCommand(): Command {
  return commandWithSettings('trust')
    .description(
      "Show which export key control planes must have, or change it: to a file's, as vaultplane-cp export-key prints it, " +
        'or with --forget to that of the next control plane. A data plane that runs here goes by it at its next link.',
    )
    .argument('[file]', 'public keys (PEM), trusted in place of those before; - for standard input')
    .option('--forget', 'trust no key any more; the next control plane that proves one is believed')
    .option('--json', 'print facts as JSON')
    .action(async (file: string | undefined, options: TrustOptions) => {
      if (file !== undefined && options.forget) throw new UsageError('give a file, or --forget, and not both');
      const settings = await readSettings(options);
      if (options.forget || file !== undefined) await change(settings, file);
      const facts = await trustOf(settings);
      console.log(options.json ? JSON.stringify(facts) : describeTrust(facts));
    });
}

interface Trust {
  source: 'config_export_public_key' | 'pinned' | null;
  sha256: string[];
}

/** The keys that are trusted on this machine. */
export async function trustOf(
  settings: Pick<DataPlaneSettings, 'config_export_public_key' | 'data_dir'>,
): Promise<Trust> {
  const { config_export_public_key: setting, data_dir: dataDir } = settings;
  const keys = setting === undefined ? await readPinnedKeys(dataDir) : await readTrustedKeys(setting);
  const source = setting === undefined ? (keys ? 'pinned' : null) : 'config_export_public_key';
  return { source, sha256: (keys ?? []).map(({ fingerprint }) => fingerprint) };
}

export function describeTrust({ source, sha256 }: Trust): string {
  if (source === null) return 'no export key is pinned; the first control plane that proves to have one is believed';
  return sha256.map((fingerprint) => `SHA-256 ${fingerprint} (${source})`).join('\n');
}

async function change(settings: DataPlaneSettings, file: string | undefined): Promise<void> {
  if (settings.config_export_public_key !== undefined) {
    throw new StartError('config_export_public_key is set, and decides which key is trusted; change it there');
  }
  if (file === undefined) {
    await forgetPinnedKeys(settings.data_dir);
    return;
  }
  const keys = parseTrustedKeys(await readInput(file), file === '-' ? 'standard input' : file);
  try {
    await pinKeys(settings.data_dir, keys);
  } catch (error) {
    throw new StartError(
      `${fileError('data_dir = ', settings.data_dir, "can't be written to", error)}; where there is no data plane yet, set config_export_public_key`,
    );
  }
}

async function readInput(file: string): Promise<string> {
  if (file === '-') return textOf(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new StartError(fileError('', file, "can't be read", error));
  }
}
