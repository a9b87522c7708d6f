import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Proxies } from '@vaultplane/backends/proxies/proxies.ts';
import { notePlace, proxyFinding } from '@vaultplane/backends/proxies/proxy-finding.ts';
import { regionWarning } from '@vaultplane/model/vaults/aws-regions.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { readSecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { isLoopback, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { shownPem } from '@vaultplane/platform/settings/pem-setting.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { exportKeyProblem, readExportKeyFile } from '../fleet/export-key.ts';
import { clusterIdentity } from '../fleet/peer-check.ts';
import { readPemPair } from '../pem.ts';
import { type ControlPlaneSettings, exportOf } from '../settings.ts';
import { keyringFile } from '../store/keyring-file.ts';
import { checkDatabase } from './check-database.ts';
import { checkDataDirectory, checkListening } from './check-machine.ts';
import type { Finding } from './finding.ts';

/** `check`: whether a start could succeed, found out without changing anything. */
export async function checkSetup(settings: ControlPlaneSettings) {
  const findings = [
    // Whoever reads this has got through the settings.
    { what: 'settings', ok: true, says: 'valid' },
    checkCertificates(settings),
    ...checkServerCertificate('admin_ssl_cert', settings),
    ...checkServerCertificate('status_ssl_cert', settings),
    ...checkKeyring(settings),
    ...checkSecretsKey(settings),
    checkExportKey(settings),
    ...checkProxy(settings),
    ...checkRegion(settings),
    ...(await checkDataDirectory(settings)),
    ...(await checkListening(settings)),
    ...(await checkDatabase(settings)),
  ];
  const open = settings.admin_listen.find((address) => !isLoopback(address));
  if (open && settings.admin_token === undefined) {
    const says = `${shownAddress(open)} is not loopback and admin_token is not set: the database must hold a token`;
    findings.push({ what: 'admin_listen', ok: true, says });
  }
  return {
    facts: { ok: findings.every(({ ok }) => ok), findings },
    lines: findings.map(({ what, ok, says }) => `${ok ? 'ok    ' : 'FAILED'}  ${what}: ${says}`),
    ok: findings.every(({ ok }) => ok),
  };
}

/** The fleet's region may be misspelt. */
function checkRegion({ vault_aws_region: region }: ControlPlaneSettings): Finding[] {
  const warning = regionWarning(region);
  return warning === undefined ? [] : [{ what: 'vault_aws_region', ok: true, says: `WARNING: ${warning}` }];
}

function checkCertificates(settings: ControlPlaneSettings): Finding {
  const what = 'cluster_cert';
  const isAuthority = settings.cluster_mtls === 'enrolled';
  if (isAuthority && settings.cluster_cert === undefined) {
    return { what, ok: true, says: 'one of its own CA, made at each start' };
  }
  const certificateFile = settings.cluster_cert ?? join(settings.data_dir, 'cluster.crt');
  const keyFile = settings.cluster_cert_key ?? join(settings.data_dir, 'cluster.key');
  if (settings.cluster_cert === undefined && !existsSync(certificateFile)) {
    return { what, ok: true, says: `${shownPath(certificateFile)} will be made at the start` };
  }
  try {
    const { expiresAt } = clusterIdentity(isAuthority ? { ...settings, cluster_mtls: 'shared' } : settings, {
      certificateFile,
      keyFile,
    });
    const ok = expiresAt.getTime() > Date.now();
    return {
      what,
      ok,
      says: `${shownPem(certificateFile)}, ${ok ? 'until' : 'expired'} ${expiresAt.toISOString().slice(0, 10)}`,
    };
  } catch (error) {
    return { what, ok: false, says: errorMessage(error) };
  }
}

function checkServerCertificate(what: 'admin_ssl_cert' | 'status_ssl_cert', settings: ControlPlaneSettings): Finding[] {
  const { [what]: certificateFile, [`${what}_key` as const]: keyFile } = settings;
  if (certificateFile === undefined) return [];
  try {
    readPemPair(what, certificateFile, keyFile!);
    return [{ what, ok: true, says: shownPem(certificateFile) }];
  } catch (error) {
    return [{ what, ok: false, says: errorMessage(error) }];
  }
}

function checkKeyring(settings: ControlPlaneSettings): Finding[] {
  const file = keyringFile(settings);
  if (file === undefined) return [];
  const what = 'keyring_key_file';
  try {
    Keyring.read(file);
    return [{ what, ok: true, says: shownPath(file) }];
  } catch (error) {
    return [{ what, ok: false, says: errorMessage(error) }];
  }
}

function checkSecretsKey({ secrets_key_file: path }: ControlPlaneSettings): Finding[] {
  if (path === undefined) return [];
  const what = 'secrets_key_file';
  try {
    readSecretsKey(path);
    return [{ what, ok: true, says: shownPath(path) }];
  } catch (error) {
    return [{ what, ok: false, says: errorMessage(error) }];
  }
}

/** That of the database is looked at by nothing but a start: to have it, one is made. */
function checkExportKey(settings: ControlPlaneSettings): Finding {
  const what = 'export key';
  const { config_export_key_file: file, keyring_key_file: keyring } = settings;
  if (file !== undefined) {
    try {
      const { fingerprint } = readExportKeyFile(file).publicKey;
      return { what, ok: true, says: `that of config_export_key_file, SHA-256 ${fingerprint}` };
    } catch (error) {
      return { what, ok: false, says: errorMessage(error) };
    }
  }
  if (keyring !== undefined) return { what, ok: true, says: 'in the database, sealed by keyring_key_file' };
  const problem = exportKeyProblem(settings);
  // Without one everything else goes on; what is exported no data plane takes that has not a CA to check it by.
  if (problem === undefined) return { what, ok: true, says: 'in data_dir' };
  return { what, ok: exportOf(settings) === undefined || settings.cluster_mtls !== 'shared', says: problem };
}

/** How the place of the export is reached, where the environment names a proxy. */
function checkProxy(settings: ControlPlaneSettings): Finding[] {
  const place = exportOf(settings);
  if (!place) return [];
  const proxies = new Proxies(process.env);
  notePlace(proxies, place, process.env);
  return [proxyFinding(proxies) ?? []].flat();
}
