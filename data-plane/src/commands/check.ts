import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { readSecretsKey } from '@vaultplane/shared/secrets-key.ts';
import { printAddress } from '@vaultplane/shared/settings.ts';
import type { Command } from 'commander';
import { readTokenFile } from '../api/token.ts';
import { loadLinkCredentials } from '../configuration/cluster-connection.ts';
import { readApiCertificate } from '../data-plane.ts';
import { apiTokenFile, type DataPlaneSettings, refuseOwnEndpoint } from '../settings.ts';
import { commandWithSettings, quietLog, readSettings, type SettingsOption } from './settings-option.ts';

export function checkCommand(): Command {
  return commandWithSettings('check')
    .description('Check the settings and the files that they name, without starting anything.')
    .option('--json', 'print what was found as JSON')
    .action(async (options: SettingsOption & { json?: boolean }) => {
      const facts = await check(await readSettings(options));
      if (options.json) console.log(JSON.stringify(facts));
      else
        console.log(
          Object.entries(facts)
            .map(([name, fact]) => `${name}: ${fact}\n`)
            .join('') + 'the settings are good',
        );
    });
}

async function check(settings: DataPlaneSettings): Promise<Record<string, string>> {
  refuseOwnEndpoint(settings, process.env);
  const { certificate } = await loadLinkCredentials(settings);
  const { validTo } = new X509Certificate(certificate);
  if (Date.parse(validTo) < Date.now()) {
    throw new StartError(
      `cluster_cert = ${settings.cluster_cert} has expired (${validTo}); no control plane will take it`,
    );
  }
  const apiCertificate = await readApiCertificate(settings);
  try {
    if (apiCertificate) createSecureContext(apiCertificate);
  } catch (error) {
    throw new StartError(`api_ssl_cert and api_ssl_cert_key can't be used together: ${errorMessage(error)}`);
  }
  await readTokenFile(apiTokenFile(settings));
  if (settings.secrets_key_file !== undefined) readSecretsKey(settings.secrets_key_file, quietLog());
  return {
    data_dir: settings.data_dir,
    api_listen: printAddress(settings.api_listen),
    status_listen: printAddress(settings.status_listen),
    cluster_control_plane: settings.cluster_control_plane.join(', '),
    cluster_cert_valid_to: new Date(validTo).toISOString(),
  };
}
