import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { excludes } from '@vaultplane/platform/cli/option-rules.ts';
import { readSecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { checkDataDir } from '@vaultplane/platform/files/data-dir.ts';
import { ExitStatus } from '@vaultplane/platform/lifecycle.ts';
import { diagnostics } from '@vaultplane/platform/logging/diagnostics.ts';
import { shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { shownPem } from '@vaultplane/platform/settings/pem-setting.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { Command } from 'commander';
import { readPolicies } from '../auth/policies-file.ts';
import { readTokenFile } from '../auth/token.ts';
import { loadLinkCredentials } from '../config-sync/cluster-connection.ts';
import { apiTokenFile, controlPlanesOf, type DataPlaneSettings, refuseOwnEndpoint } from '../settings.ts';
import { readPolicy } from '../upstream-policy.ts';
import { checkListening } from './check-listening.ts';
import { describeFinding, type Finding, finding } from './finding.ts';
import { quietLog, readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';
import { runningFacts } from './status.ts';
import { describeTrust, trustOf } from './trust.ts';

export function checkCommand(): Command {
  const command = commandWithSettings('check')
    .description(
      'Say whether the data plane could start and reach its vaults: settings, files, whose AWS credentials it has, ' +
        'each vault. Changes nothing and reads no secret.',
    )
    .option('--json', 'print what was found as JSON')
    .option(
      '--suggest-policy',
      'only print a file of upstream_policy with the grants that the stored configuration needs, to be reviewed',
    )
    .action(async (options: SettingsOption & { json?: boolean; suggestPolicy?: boolean }) => {
      if (options.suggestPolicy) return suggest(await readSettings(options));
      const findings = await check(await readSettings(options), process.env);
      const ok = findings.every((each) => each.ok);
      if (options.json) console.log(JSON.stringify({ ok, findings }, null, 2));
      else for (const each of findings) console.log(describeFinding(each));
      if (!ok) throw new ExitStatus(1);
    });
  return excludes(command, '--suggest-policy', ['--json']);
}

/** The file alone is on stdout; what is to be reviewed in it, on stderr. */
async function suggest(settings: DataPlaneSettings): Promise<void> {
  const { printPolicy, suggestPolicy } = await import('./suggest-policy.ts');
  const { grants, why } = await suggestPolicy(settings);
  console.log(printPolicy(grants));
  for (const line of why) diagnostics.write(`${line}\n`);
  diagnostics.write(
    grants.length === 0
      ? 'No vault of the stored configuration needs a grant.\n'
      : 'Review each grant: whoever may change vaults at the control plane can then send this to that destination.\n',
  );
}

async function check(settings: DataPlaneSettings, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const { checkVaults } = await import('./check-vaults.ts');
  const vaults = checkVaults(settings, { env, log: quietLog() });
  return [
    // Whoever reads this has got through the settings.
    { what: 'settings', ok: true, says: 'valid' },
    await finding('data_dir', () => checkDirectory(settings)),
    ...(await checkListening(settings, () => checkApi(settings, env))),
    await finding('api_token_file', () => checkToken(settings)),
    ...(settings.api_policies === undefined
      ? []
      : [await finding('api_policies', () => checkPolicies(settings.api_policies!))]),
    await finding('cluster_cert', () => checkClusterCertificate(settings)),
    ...(settings.cluster_mtls === 'shared' || settings.config_export_public_key !== undefined
      ? [await finding('export key', () => checkExportKey(settings))]
      : []),
    ...(settings.secrets_key_file === undefined
      ? []
      : [await finding('secrets_key_file', () => checkSecretsKey(settings.secrets_key_file!))]),
    ...(settings.upstream_policy === undefined
      ? []
      : [await finding('upstream_policy', () => checkUpstreamPolicy(settings))]),
    ...(await vaults),
  ];
}

async function checkDirectory({ data_dir: path }: DataPlaneSettings): Promise<string> {
  const isThere = await checkDataDir(path);
  return isThere ? shownPath(path) : `${shownPath(path)} will be made at the start`;
}

/** What is to be said behind the address of applications. */
async function checkApi(settings: DataPlaneSettings, env: NodeJS.ProcessEnv): Promise<string> {
  refuseOwnEndpoint(settings, env);
  const { readApiCertificate } = await import('../data-plane.ts');
  const certificate = await readApiCertificate(settings);
  try {
    if (certificate) createSecureContext(certificate);
  } catch (error) {
    throw new StartError(`api_ssl_cert and api_ssl_cert_key can't be used together: ${errorMessage(error)}`);
  }
  return certificate ? ', with TLS' : '';
}

async function checkToken(settings: DataPlaneSettings): Promise<string> {
  const path = apiTokenFile(settings);
  const token = await readTokenFile(path);
  return token === undefined ? `${shownPath(path)} will be made at the start` : shownPath(path);
}

async function checkPolicies(path: string): Promise<string> {
  const policies = await readPolicies(path);
  return `${shownPath(path)}, for ${policies.map(({ name }) => name).join(', ')}`;
}

function checkUpstreamPolicy(settings: DataPlaneSettings): string {
  readPolicy(settings);
  return shownPath(settings.upstream_policy!);
}

function checkSecretsKey(path: string): string {
  readSecretsKey(path, quietLog());
  return shownPath(path);
}

/** What is trusted, and whether a data plane that runs here has found a control plane that does not have it. */
async function checkExportKey(settings: DataPlaneSettings): Promise<string> {
  const says = describeTrust(await trustOf(settings));
  const running = await runningFacts(settings);
  const problem = running?.control_plane.export_key?.problem ?? null;
  if (problem !== null) throw new StartError(problem);
  return says;
}

async function checkClusterCertificate(settings: DataPlaneSettings): Promise<string> {
  const enrolled = settings.cluster_mtls === 'enrolled';
  const credentials = enrolled ? await enrolledCredentials(settings) : await loadLinkCredentials(settings);
  if (!credentials) return 'joins at the start';
  const { certificate, nodeId } = credentials;
  const { validTo } = new X509Certificate(certificate);
  const file = enrolled ? `node ${nodeId}` : shownPem(settings.cluster_cert!);
  if (Date.parse(validTo) < Date.now()) {
    if (enrolled) return `${file}, ended ${validTo}; it is renewed at the next link if that is not too long ago`;
    throw new StartError(`${file} has expired (${validTo}); no control plane will take it`);
  }
  const until = new Date(validTo).toISOString().slice(0, 10);
  return `${file}, until ${until}, for ${controlPlanesOf(settings).map(shownAddress).join(', ')}`;
}

async function enrolledCredentials(settings: DataPlaneSettings) {
  const { loadEnrolledUnlessToJoin } = await import('../enrolment/load-enrolled.ts');
  return loadEnrolledUnlessToJoin(settings);
}
