import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Why certificates can't be made here; false where they can. For the `skip` of tests that need some. */
export const noCertificates: string | false = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no openssl on this machine to make certificates with';
  }
})();

/** A certificate and its key, as files and as text. */
export interface TestCertificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

/**
 * Makes a certificate by openssl: self-signed, or signed by `ca`.
 *
 * @param options.names DNS names and IP addresses that it is for
 * @param options.extensions in place of `basicConstraints=CA:true`
 * @param options.key PEM; a new one where not given
 * @param options.serial such as 0x1f; a random one where not given
 * @param options.days from now for which it is valid; -1: it expired yesterday
 */
export function makeCertificate(
  folder: string,
  commonName: string,
  options: {
    ca?: TestCertificate;
    names?: string[];
    days?: number;
    extensions?: string[];
    key?: string;
    serial?: string;
  } = {},
): TestCertificate {
  const base = join(folder, `${commonName}-${made++}`);
  const certFile = `${base}.crt`;
  const keyFile = `${base}.key`;
  const extensions = options.extensions ?? ['basicConstraints=CA:true'];
  const names = (options.names ?? []).map((name) => `${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`);
  if (names.length > 0) extensions.push(`subjectAltName=${names.join(',')}`);
  writeFileSync(`${base}.ext`, extensions.join('\n'));
  const subject = ['-subj', `/CN=${commonName}`, '-out', `${base}.csr`];
  if (options.key === undefined) {
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      keyFile,
      ...subject,
    );
  } else {
    writeFileSync(keyFile, options.key);
    openssl('req', '-new', '-key', keyFile, ...subject);
  }
  const signer = options.ca
    ? ['-CA', options.ca.certFile, '-CAkey', options.ca.keyFile, ...(options.serial ? [] : ['-CAcreateserial'])]
    : ['-signkey', keyFile];
  openssl(
    'x509',
    '-req',
    '-in',
    `${base}.csr`,
    ...signer,
    ...(options.serial ? ['-set_serial', options.serial] : []),
    '-days',
    String(options.days ?? 2),
    '-extfile',
    `${base}.ext`,
    '-out',
    certFile,
  );
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

let made = 0;

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}
