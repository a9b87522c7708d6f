import type { ReceivedRequest } from '@vaultplane/aws-emulator/signature.ts';
import { googleError } from './google-error.ts';
import type { Iam } from './iam.ts';
import { labelFilter } from './label-filter.ts';
import { knownRole, type Principal } from './principal.ts';
import type { Project, Projects } from './project.ts';
import {
  type Binding,
  checksum,
  MAX_DATA_BYTES,
  SECRET_ID,
  type Secret,
  type SecretStore,
  type SecretVersion,
  secretName,
  versionName,
} from './secret-store.ts';

/** What a request asks for, as its method and path say. */
export type Request = {
  operation: Operation;
  project: string;
  secret: string | null;
  version: string | null;
  /** As errors name it. */
  resource: string;
};

const PATH = /^\/v1\/projects\/([^/:]+)\/secrets(?:\/([^/:]+)(\/versions(?:\/([^/:]+))?)?)?(?::([a-zA-Z]+))?$/;

/** Each operation by how it is asked: method, depth (list, secret, versions, version) and verb; and what it needs. */
const OPERATIONS = {
  ListSecrets: ['GET secrets', 'secrets.list'],
  CreateSecret: ['POST secrets', 'secrets.create'],
  GetSecret: ['GET secret', 'secrets.get'],
  UpdateSecret: ['PATCH secret', 'secrets.update'],
  DeleteSecret: ['DELETE secret', 'secrets.delete'],
  AddSecretVersion: ['POST secret:addVersion', 'versions.add'],
  GetIamPolicy: ['GET secret:getIamPolicy', 'secrets.getIamPolicy'],
  SetIamPolicy: ['POST secret:setIamPolicy', 'secrets.setIamPolicy'],
  ListSecretVersions: ['GET versions', 'versions.list'],
  GetSecretVersion: ['GET version', 'versions.get'],
  AccessSecretVersion: ['GET version:access', 'versions.access'],
  EnableSecretVersion: ['POST version:enable', 'versions.enable'],
  DisableSecretVersion: ['POST version:disable', 'versions.disable'],
  DestroySecretVersion: ['POST version:destroy', 'versions.destroy'],
} as const;
export type Operation = keyof typeof OPERATIONS;

const MAX_PAGE = 25_000;

/** Secret Manager's REST API, version 1, of global secrets. */
export class SecretManager {
  readonly #projects: Projects;
  readonly #store: SecretStore;
  readonly #iam: Iam;

  constructor(projects: Projects, store: SecretStore, iam: Iam) {
    this.#projects = projects;
    this.#store = store;
    this.#iam = iam;
  }

  /** Null for what is no call of this API. */
  static requestOf({ method, path }: ReceivedRequest): Request | null {
    const parts = PATH.exec(path);
    if (!parts) return null;
    const [, project, secret, versions, version, verb] = parts.map((part) => part && decodeURIComponent(part));
    const depth = version ? 'version' : versions ? 'versions' : secret ? 'secret' : 'secrets';
    const asked = `${method} ${depth}${verb ? `:${verb}` : ''}`;
    const found = Object.entries(OPERATIONS).find(([, [how]]) => how === asked);
    if (!found) return null;
    const resource = path.replace(/^\/v1\//, '').replace(/\/secrets$|:\w+$|\/versions$/, '');
    return {
      operation: found[0] as Operation,
      project: project!,
      secret: secret ?? null,
      version: version ?? null,
      resource,
    };
  }

  /** @throws GoogleError */
  carryOut(request: Request, principal: Principal, received: ReceivedRequest): object {
    const { operation, resource } = request;
    const project = this.#projects.find(request.project);
    const id = request.secret;
    const secret = project && id !== null ? this.#store.find(project, id) : null;
    this.#iam.authorize(principal, OPERATIONS[operation][1], { project, id, secret, resource });
    const query = new URLSearchParams(received.query);
    if (operation === 'ListSecrets') return this.#list(project!, query);
    const body = bodyOf(received);
    if (operation === 'CreateSecret') return this.#create(project!, query.get('secretId') ?? '', body);
    if (!secret) {
      const name = `projects/${project!.number}/secrets/${id}`;
      const what = request.version === null ? 'Secret' : 'Secret Version';
      const full = request.version === null ? name : `${name}/versions/${request.version}`;
      throw googleError('NOT_FOUND', request.version === 'latest' ? noVersions(name) : `${what} [${full}] not found.`);
    }
    return request.version === null
      ? this.#ofSecret(operation, secret, query, body)
      : this.#ofVersion(operation, secret, request.version);
  }

  #list(project: Project, query: URLSearchParams): object {
    const fits = labelFilter(query.get('filter') ?? '');
    const { page, ...rest } = paged(this.#store.list(project).filter(fits), query);
    return { secrets: page.map(shownSecret), ...rest };
  }

  #create(project: Project, id: string, body: Record<string, unknown>): object {
    if (!SECRET_ID.test(id)) throw googleError('INVALID_ARGUMENT', `Secret ID [${id}] is invalid.`);
    if (typeof body.replication !== 'object') throw googleError('INVALID_ARGUMENT', 'Replication must be set.');
    return shownSecret(this.#store.create(project, id, labelsOf(body)));
  }

  #ofSecret(operation: Operation, secret: Secret, query: URLSearchParams, body: Record<string, unknown>): object {
    switch (operation) {
      case 'UpdateSecret':
        secret.labels = new Map(labelsOf(body));
        return shownSecret(secret);
      case 'DeleteSecret':
        this.#store.remove(secret);
        return {};
      case 'AddSecretVersion':
        return shownVersion(secret, this.#store.addVersion(secret, dataOf(body)));
      case 'ListSecretVersions': {
        const { page, ...rest } = paged(secret.versions.toReversed(), query);
        return { versions: page.map((version) => shownVersion(secret, version)), ...rest };
      }
      case 'SetIamPolicy':
        secret.bindings = bindingsOf(body);
        return policyOf(secret);
      case 'GetIamPolicy':
        return policyOf(secret);
      default:
        return shownSecret(secret);
    }
  }

  #ofVersion(operation: Operation, secret: Secret, alias: string): object {
    const version = this.#store.version(secret, alias);
    if (!version) {
      const name = secretName(secret);
      const text = alias === 'latest' ? noVersions(name) : `Secret Version [${name}/versions/${alias}] not found.`;
      throw googleError('NOT_FOUND', text);
    }
    const states = {
      EnableSecretVersion: 'ENABLED',
      DisableSecretVersion: 'DISABLED',
      DestroySecretVersion: 'DESTROYED',
    };
    const state = states[operation as keyof typeof states] as SecretVersion['state'] | undefined;
    if (state) this.#store.setState(secret, version, state);
    if (operation !== 'AccessSecretVersion') return shownVersion(secret, version);
    const name = versionName(secret, version);
    if (version.state !== 'ENABLED' || !version.data) {
      throw googleError('FAILED_PRECONDITION', `Secret Version [${name}] is in ${version.state} state.`);
    }
    const { data } = version;
    // A 64-bit number is a string in Google's JSON.
    return { name, payload: { data: data.toString('base64'), dataCrc32c: String(checksum(data)) } };
  }
}

const noVersions = (name: string): string => `Secret [${name}] not found or has no versions.`;
const timestamp = (ms: number): string => new Date(ms).toISOString();

function shownSecret(secret: Secret): object {
  return {
    name: secretName(secret),
    replication: { automatic: {} },
    createTime: timestamp(secret.createdAt),
    ...(secret.labels.size > 0 && { labels: Object.fromEntries(secret.labels) }),
    etag: `"${secret.createdAt.toString(16)}"`,
  };
}

function shownVersion(secret: Secret, version: SecretVersion): object {
  return {
    name: versionName(secret, version),
    createTime: timestamp(version.createdAt),
    ...(version.destroyedAt !== null && { destroyTime: timestamp(version.destroyedAt) }),
    state: version.state,
    replicationStatus: { automatic: {} },
    etag: `"${version.createdAt.toString(16)}"`,
    clientSpecifiedPayloadChecksum: true,
  };
}

const policyOf = (secret: Secret): object => ({ version: 1, etag: 'BwXhqDWvKk8=', bindings: secret.bindings });

function paged<T>(items: T[], query: URLSearchParams): { page: T[]; nextPageToken?: string; totalSize: number } {
  const size = Math.min(Number(query.get('pageSize') ?? 0) || 100, MAX_PAGE);
  const start = Number(query.get('pageToken') || 0);
  const page = items.slice(start, start + size);
  const more = start + size < items.length;
  return { page, ...(more && { nextPageToken: String(start + size) }), totalSize: items.length };
}

function bodyOf({ body }: ReceivedRequest): Record<string, unknown> {
  if (body.length === 0) return {};
  try {
    const json: unknown = JSON.parse(body.toString('utf8'));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch {
    // Said below; the parser's own words would quote the body.
  }
  throw googleError('INVALID_ARGUMENT', 'Invalid JSON payload received.');
}

function labelsOf({ labels = {} }: Record<string, unknown>): [string, string][] {
  const entries = Object.entries((labels ?? {}) as Record<string, unknown>);
  const key = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\d_-]{0,62}$/u;
  const value = /^[\p{Ll}\p{Lo}\d_-]{0,63}$/u;
  if (entries.some(([name, text]) => !key.test(name) || typeof text !== 'string' || !value.test(text))) {
    throw googleError('INVALID_ARGUMENT', 'Label keys and values are lower-case letters, digits, _ and -.');
  }
  return entries as [string, string][];
}

function dataOf({ payload }: Record<string, unknown>): Buffer {
  const { data = '', dataCrc32c } = (payload ?? {}) as { data?: unknown; dataCrc32c?: unknown };
  if (typeof data !== 'string') throw googleError('INVALID_ARGUMENT', 'The payload has no data.');
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length > MAX_DATA_BYTES) {
    throw googleError('INVALID_ARGUMENT', `The payload is larger than ${MAX_DATA_BYTES} bytes.`);
  }
  if (dataCrc32c !== undefined && dataCrc32c !== null && String(dataCrc32c) !== String(checksum(bytes))) {
    throw googleError('INVALID_ARGUMENT', "The payload's checksum does not match its data.");
  }
  return bytes;
}

function bindingsOf({ policy }: Record<string, unknown>): Binding[] {
  const { bindings = [] } = (policy ?? {}) as { bindings?: unknown };
  if (!Array.isArray(bindings)) throw googleError('INVALID_ARGUMENT', 'The policy has no bindings.');
  return bindings.map(({ role, members }: Binding) => {
    if (!knownRole(role)) throw googleError('INVALID_ARGUMENT', `Role ${role} is not supported for this resource.`);
    return { role, members: [...members] };
  });
}
