import { stat } from 'node:fs/promises';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { OWN_GUARD, type UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { type GoogleKey, parseKey } from '@vaultplane/model/vaults/gcp-key.ts';
import { loadRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import type { Expiring } from '../credential-store.ts';
import type { GoogleConnections } from './connections.ts';
import type { MetadataServer } from './metadata-server.ts';
import { requestToken } from './token-request.ts';

/** What opens Secret Manager. Never printed: it lives in a CredentialStore alone. */
export interface GoogleCredentials extends Expiring {
  token: string;
  expiration: Date;
  /** Where they came from, for people. */
  source: string;
  /** Whose they are. */
  email: string;
  /** The project that they are of; null where they do not say. */
  projectId: string | null;
  /** The project that calls are counted against, where it is not the secret's. */
  quotaProject: string | null;
  /** The file that they came from, and how it was known then. */
  file: { path: string; stamp: string } | null;
}

export interface SourceContext extends Pick<BackendContext, 'env'> {
  connections: GoogleConnections;
  metadata: MetadataServer;
  signal: AbortSignal;
}

/**
 * One place that credentials may come from: them, or why it has none. It throws where it is configured and fails: then
 * the sources after it are not asked, since they would give another identity than the one configured.
 */
interface CredentialSource {
  name: string;
  find(context: SourceContext): Promise<Omit<GoogleCredentials, 'source'> | { none: string }>;
}

const environment: CredentialSource = {
  name: 'GCP_SERVICE_ACCOUNT',
  async find(context) {
    const text = context.env.GCP_SERVICE_ACCOUNT;
    return text ? ofKey(parseKey(text), context, OWN_GUARD) : { none: 'it is not set' };
  },
};

const file: CredentialSource = {
  name: 'GOOGLE_APPLICATION_CREDENTIALS',
  async find(context) {
    const path = context.env.GOOGLE_APPLICATION_CREDENTIALS;
    if (!path) return { none: 'it is not set' };
    const stamp = await stampOf(path);
    let text: string;
    try {
      text = await loadRegularFile(path);
    } catch (error) {
      throw new BackendError('unavailable', fileError('', path, "can't be read", error));
    }
    return { ...(await ofKey(parseKey(text), context, OWN_GUARD)), file: { path, stamp } };
  },
};

const machine: CredentialSource = {
  name: 'metadata server',
  async find({ metadata, signal }) {
    const identity = await metadata.identity(signal);
    return 'none' in identity ? identity : { ...identity, quotaProject: null, file: null };
  },
};

/** In the order in which they are asked. */
const SOURCES: readonly CredentialSource[] = [environment, file, machine];

async function ofKey(
  key: GoogleKey,
  context: SourceContext,
  guard: UpstreamGuard,
): Promise<Omit<GoogleCredentials, 'source'>> {
  const token = await requestToken(key, context.connections, guard, context.signal);
  return key.type === 'service_account'
    ? { ...token, email: key.client_email, projectId: key.project_id, quotaProject: null, file: null }
    : {
        ...token,
        email: `the user of OAuth client ${key.client_id}`,
        projectId: key.quota_project_id,
        quotaProject: key.quota_project_id,
        file: null,
      };
}

/**
 * The first source's credentials.
 *
 * @throws BackendError unavailable, listing every source that was tried and why it gave nothing
 */
export async function findCredentials(context: SourceContext): Promise<GoogleCredentials> {
  const tried: string[] = [];
  for (const { name, find } of SOURCES) {
    try {
      const found = await find(context);
      if (!('none' in found)) return { ...found, source: name };
      tried.push(`${name}: ${found.none}`);
    } catch (error) {
      throw noCredentials([...tried, `${name}: it is configured but failed (${reasonOf(error)})`], error);
    }
  }
  throw noCredentials(tried);
}

/**
 * The credentials of a key that the vault's own configuration holds.
 *
 * @param guard asked whether the key's token_uri may be called
 * @throws BackendError unavailable, PolicyRefusal
 */
export async function configuredCredentials(
  text: string,
  context: SourceContext,
  guard: UpstreamGuard,
): Promise<GoogleCredentials> {
  try {
    return { ...(await ofKey(parseKey(text), context, guard)), source: 'service_account' };
  } catch (error) {
    if (error instanceof PolicyRefusal) throw error;
    throw noCredentials([`service_account: ${reasonOf(error)}`], error);
  }
}

/** What is no error of ours may quote a key. */
const reasonOf = (error: unknown): string => (error instanceof BackendError ? error.message : 'an unknown error');

function noCredentials(tried: readonly string[], cause?: unknown): BackendError {
  const credentialsRefused = cause instanceof BackendError && cause.credentialsRefused;
  return new BackendError('unavailable', `no Google credentials: ${tried.join('; ')}`, { credentialsRefused });
}

/** Differs where the file does, one that a link leads to too; empty where there is none. */
export async function stampOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  return found ? [found.ino, found.size, found.mtimeMs].join(' ') : '';
}
