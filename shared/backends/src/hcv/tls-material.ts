import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { readRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { inlinePem } from '@vaultplane/platform/settings/pem-setting.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';
import { trustedCertificates } from '../http/trusted-certificates.ts';
import type { HcvConfig } from './config.ts';

/** What both sides of a TLS connection show and trust, as PEM. */
export interface TlsMaterial {
  ca: string[];
  cert?: string;
  key?: string;
}

/**
 * Reads certificates where they are, so that each call gives them as they are now.
 *
 * @param trusted `system` and/or PEM files, which the vault's own ca_cert is added to
 * @throws BackendError unavailable where a file can't be read
 */
export function tlsMaterial(config: HcvConfig, trusted: readonly string[]): TlsMaterial {
  const ca = pemOf(config, 'ca_cert');
  const cert = pemOf(config, 'cert_auth_cert');
  const key = pemOf(config, 'cert_auth_cert_key');
  return {
    ca: [...trustedCertificates(trusted), ...(ca === undefined ? [] : [ca])],
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/** A field that is PEM itself or base64 of it, or names the file that has it. @throws BackendError unavailable */
export function pemOf(config: HcvConfig, name: string): string | undefined {
  const value = config.text(name);
  const inline = value === undefined ? undefined : inlinePem(value);
  if (value === undefined || inline !== undefined) return inline;
  if (!config.mayNameFile(name))
    throw new BackendError('unavailable', `${name}: what its reference stands for is no PEM`);
  try {
    return readRegularFile(value);
  } catch (error) {
    throw new BackendError('unavailable', fileError(`${name}: `, value, "can't be read", error));
  }
}
