import { createSecureContext } from 'node:tls';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import type { DoorTls } from '@vaultplane/platform/net/doors.ts';
import { readPemSetting, shownPem } from '@vaultplane/platform/settings/pem-setting.ts';

/**
 * A certificate and its key, as `setting` and `setting`_key have them: paths, PEM, or base64 of PEM.
 *
 * @throws StartError when one can't be read, or TLS can't use the two together
 */
export function readPemPair(setting: string, certificate: string, privateKey: string): { cert: string; key: string } {
  const pair = { cert: readPemSetting(setting, certificate), key: readPemSetting(`${setting}_key`, privateKey) };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new StartError(
      `${setting} = ${shownPem(certificate)} and ${setting}_key = ${shownPem(privateKey)} can't be used together: ${errorMessage(error)}`,
    );
  }
  return pair;
}

/**
 * What TLS shows at the addresses of a setting; undefined where there is no certificate.
 *
 * @throws StartError when it can't be used
 */
export function doorTls(
  setting: string,
  certificate: string | undefined,
  privateKey: string | undefined,
): DoorTls | undefined {
  if (certificate === undefined || privateKey === undefined) return undefined;
  return { ...readPemPair(setting, certificate, privateKey), minVersion: 'TLSv1.2' };
}
