import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { certificatesIn } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { removeDurably, writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { IDENTITY_FILE, NEXT_KEY_FILE } from './file-names.ts';
import { makePrivateKey } from './signing-request.ts';

const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----/;

/** What this node is known by. */
export interface Identity {
  nodeId: string;
  /** PEM. */
  key: string;
  /** PEM. */
  certificate: string;
  /** PEM: the only CA that a control plane's certificate may be signed by. */
  ca: string;
}

/** What a data_dir holds of it; undefined where this node has not joined. @throws StartError for a file that can't be used */
export async function readIdentity(dataDir: string): Promise<Identity | undefined> {
  const path = join(dataDir, IDENTITY_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(fileError('', path, "can't be read", error));
  }
  const damaged = () => new StartError(`${shownPath(path)} is damaged; \`vaultplane-dp join --force\` joins anew`);
  try {
    const [key] = PRIVATE_KEY.exec(text) ?? [];
    const [certificate, ca] = certificatesIn(text);
    if (key === undefined || !certificate || !ca || !certificate.checkPrivateKey(createPrivateKey(key)))
      throw damaged();
    const [, nodeId] = /^CN=([0-9a-f-]{36})$/m.exec(certificate.subject) ?? [];
    if (nodeId === undefined) throw damaged();
    return { nodeId, key, certificate: certificate.toString(), ca: ca.toString() };
  } catch {
    throw damaged();
  }
}

/** Key and certificate are one file: whoever reads it has both of before, or both of now. */
export async function writeIdentity(
  dataDir: string,
  { key, certificate, ca }: Omit<Identity, 'nodeId'>,
): Promise<void> {
  const path = join(dataDir, IDENTITY_FILE);
  const text = [key, certificate, ca].map((pem) => `${pem.trim()}\n`).join('');
  await writeDurably(path, text, { owner: await ownerOf(dataDir) });
  await removeDurably(join(dataDir, NEXT_KEY_FILE));
}

/**
 * The key for the next certificate: the one that was made for a request whose answer has not come, or a new one. It is on
 * disk before anybody is asked, so that a repeated request is for the same key.
 *
 * @param options.fresh never one that was made before
 */
export async function nextKey(dataDir: string, { fresh = false } = {}): Promise<string> {
  const path = join(dataDir, NEXT_KEY_FILE);
  if (!fresh) {
    const kept = await readFile(path, 'utf8').catch(() => undefined);
    if (kept !== undefined && isKey(kept)) return kept;
  }
  const key = makePrivateKey();
  await writeDurably(path, key, { owner: await ownerOf(dataDir) });
  return key;
}

/** When a certificate ends, ms since 1970. */
export function endOf({ certificate }: Pick<Identity, 'certificate'>): number {
  return Date.parse(new X509Certificate(certificate).validTo);
}

/** When it is to be renewed: after a third of its life, and a little later at random, so that a fleet does not ask in step. */
export function renewalTimeOf({ certificate }: Pick<Identity, 'certificate'>, random: number): number {
  const { validFrom, validTo } = new X509Certificate(certificate);
  const from = Date.parse(validFrom);
  const life = Date.parse(validTo) - from;
  return from + life * (1 / 3 + random / 20);
}

function isKey(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === 'ec';
  } catch {
    return false;
  }
}

/** Joined by root, it is still for the user that the data plane runs as, whose data_dir is. */
async function ownerOf(dataDir: string): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = await stat(dataDir);
  return uid === 0 ? undefined : { uid, gid };
}
