import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { followOwnLinks } from '@vaultplane/platform/files/own-links.ts';
import { readPemSetting } from '@vaultplane/platform/settings/pem-setting.ts';
import type { CertificatePair, Usage } from './certificate-maker.ts';

/** Paths; where settings name them, possibly PEM or base64 of PEM in place of a path. */
export interface CertificateFiles {
  certificateFile: string;
  keyFile: string;
}

/** Loaded only when something is to be made: it takes 90 ms and 27 MB. */
const maker = () => import('./certificate-maker.ts');

/** data_dir/cluster.crt and .key: those that are there, or else new ones. */
export async function ensureSharedCertificate(dataDir: string): Promise<CertificateFiles> {
  const files = { certificateFile: join(dataDir, 'cluster.crt'), keyFile: join(dataDir, 'cluster.key') };
  if (existsSync(files.certificateFile) && existsSync(files.keyFile)) return files;
  await writePair(files, await (await maker()).makeSharedCertificate());
  return files;
}

/**
 * `certs create`: without a node cluster.crt and .key for all; with one an authority (made the first time: ca.crt and
 * .key) and NODE.crt and .key.
 *
 * @param usage what the node's certificate is for
 * @returns the files that were made
 * @throws StartError when a file is there already: somebody may be using it; where a link of another user leads there
 */
export async function createCertificates(directory: string, node?: string, usage: Usage = 'both'): Promise<string[]> {
  await followOwnLinks(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const filesOf = (name: string) => ({
    certificateFile: join(directory, `${name}.crt`),
    keyFile: join(directory, `${name}.key`),
  });
  const made: string[] = [];
  const make = async (files: CertificateFiles, pair: CertificatePair) => {
    await writePair(files, pair);
    made.push(files.certificateFile, files.keyFile);
  };
  const refuse = (files: CertificateFiles) => {
    for (const file of [files.certificateFile, files.keyFile]) {
      if (existsSync(file)) throw new StartError(`${file} is there already; move it away, or give another --out`);
    }
  };

  if (node === undefined) {
    refuse(filesOf('cluster'));
    await make(filesOf('cluster'), await (await maker()).makeSharedCertificate());
    return made;
  }
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$/.test(node) || node === 'ca') {
    throw new StartError("--node must be a name of letters, digits, '.', '_' and '-', and not ca");
  }
  refuse(filesOf(node));
  const ca = filesOf('ca');
  if (!existsSync(ca.certificateFile) && !existsSync(ca.keyFile)) await make(ca, await (await maker()).makeAuthority());
  const authority = {
    certificate: readPemSetting('the CA', ca.certificateFile),
    key: readPemSetting("the CA's key", ca.keyFile),
  };
  await make(filesOf(node), await (await maker()).makeNodeCertificate(authority, node, usage));
  return made;
}

/** The key first: a certificate that is there has its key. */
async function writePair(files: CertificateFiles, pair: CertificatePair): Promise<void> {
  await writePem(files.keyFile, pair.key, 0o600);
  await writePem(files.certificateFile, pair.certificate, 0o644);
}

async function writePem(path: string, pem: string, mode: number): Promise<void> {
  await writeDurably(path, pem.endsWith('\n') ? pem : `${pem}\n`, { mode });
}
