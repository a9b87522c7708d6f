import { AwsError, markedForDeletion } from './aws-error.ts';
import type { RequestFields } from './request-fields.ts';
import type { Secret } from './secret.ts';
import type { SecretAccess, SecretCall } from './secret-access.ts';
import { passesFilters, readFilters, type SecretFilter } from './secret-filter.ts';
import type { SecretStore } from './secret-store.ts';

type Result = Record<string, unknown>;

/** A fault that an order puts in the way of one secret of a batch; null when there is none. */
export type SecretFault = (secretId: string) => AwsError | null;

/** Page size of BatchGetSecretValue, most and default. */
const BATCH_PAGE = 20;
/** Values of one page of BatchGetSecretValue by a list of names. */
const BATCH_BYTES = 1024 * 1024;
const LIST_PAGE = 100;
const DAY_MS = 86_400_000;
const SORT_KEYS = ['created-date', 'last-accessed-date', 'last-changed-date', 'name'] as const;

/** The operations that only read. */
export class SecretReader {
  readonly #store: SecretStore;
  readonly #access: SecretAccess;
  readonly #clock: () => number;

  constructor(store: SecretStore, access: SecretAccess, clock: () => number) {
    this.#store = store;
    this.#access = access;
    this.#clock = clock;
  }

  getSecretValue(call: SecretCall, fields: RequestFields): Result {
    return this.#value(
      call,
      fields.requiredString('SecretId', 1, 2048),
      fields.string('VersionId', 32, 64),
      fields.string('VersionStage', 1, 256),
    );
  }

  batchGetSecretValue(call: SecretCall, fields: RequestFields, faultOf: SecretFault): Result {
    const ids = fields.strings('SecretIdList', 1, 20);
    const filters = readFilters(fields);
    const pageSize = fields.integer('MaxResults', 1, BATCH_PAGE);
    const nextToken = fields.string('NextToken', 1, 4096);
    this.#access.checkAny(call);
    if ((ids === null) === (filters === null)) {
      throw new AwsError(
        'InvalidParameterException',
        "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
      );
    }
    if (ids !== null && pageSize !== null) {
      throw new AwsError(
        'InvalidParameterException',
        "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
      );
    }
    if (ids !== null) return this.#batchById(call, ids, nextToken, faultOf);
    this.#access.checkAny(call, 'ListSecrets');
    const found = this.#filtered(call, filters!, false);
    const page = pageOf(found, nextToken, pageSize ?? BATCH_PAGE);
    const arns = page.items.map((secret) => secret.arn);
    return { ...this.#batch(call, arns, faultOf), ...page.next };
  }

  describeSecret(call: SecretCall, fields: RequestFields): Result {
    const secret = this.#access.open(call, fields.requiredString('SecretId', 1, 2048));
    return { ...description(secret), VersionIdsToStages: secret.labelledVersions() };
  }

  listSecrets(call: SecretCall, fields: RequestFields): Result {
    this.#access.checkAny(call);
    const filters = readFilters(fields) ?? [];
    const pageSize = fields.integer('MaxResults', 1, LIST_PAGE) ?? LIST_PAGE;
    const order = fields.oneOf('SortOrder', ['asc', 'desc']);
    const key = fields.oneOf('SortBy', SORT_KEYS) ?? 'created-date';
    const found = this.#filtered(call, filters, fields.boolean('IncludePlannedDeletion'));
    found.sort((a, b) => compare(a, b, key) * (order === 'desc' ? -1 : 1));
    const page = pageOf(found, fields.string('NextToken', 1, 4096), pageSize);
    return {
      SecretList: page.items.map((secret) => ({
        ...description(secret),
        SecretVersionsToStages: secret.labelledVersions(),
      })),
      ...page.next,
    };
  }

  /** AWS may end a page wherever it likes; here it is full at so many bytes of values. */
  #batchById(call: SecretCall, ids: string[], token: string | null, faultOf: SecretFault): Result {
    const start = token === null ? 0 : Number(Buffer.from(token, 'base64url').toString());
    if (!(Number.isInteger(start) && start >= 0 && start < ids.length)) {
      throw new AwsError('InvalidNextTokenException', 'The NextToken is invalid.');
    }
    const page = { SecretValues: [] as Result[], Errors: [] as Result[] };
    let [next, bytes] = [start, 0];
    for (; next < ids.length && bytes < BATCH_BYTES; next++) {
      const { SecretValues, Errors } = this.#batch(call, [ids[next]!], faultOf);
      page.SecretValues.push(...SecretValues);
      page.Errors.push(...Errors);
      for (const value of SecretValues) bytes += String(value.SecretString ?? value.SecretBinary).length;
    }
    return { ...page, ...(next < ids.length && { NextToken: Buffer.from(String(next)).toString('base64url') }) };
  }

  #batch(call: SecretCall, ids: string[], faultOf: SecretFault): { SecretValues: Result[]; Errors: Result[] } {
    const values: Result[] = [];
    const errors: Result[] = [];
    for (const id of ids) {
      try {
        const fault = faultOf(id);
        if (fault) throw fault;
        values.push(this.#value({ ...call, operation: 'GetSecretValue' }, id, null, null));
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        errors.push({ SecretId: id, ErrorCode: error.code, Message: error.message });
      }
    }
    return { SecretValues: values, Errors: errors };
  }

  #value(call: SecretCall, id: string, versionId: string | null, stage: string | null): Result {
    const secret = this.#access.open(call, id);
    if (secret.deletion) throw markedForDeletion();
    const version = secret.find(versionId, stage);
    this.#access.checkKey(call, secret);
    const now = this.#clock();
    // AWS records the day of the last access, not the time.
    secret.accessedAt = now - (now % DAY_MS);
    return {
      ARN: secret.arn,
      CreatedDate: version.createdAt / 1000,
      Name: secret.name,
      ...('text' in version.value
        ? { SecretString: version.value.text }
        : { SecretBinary: version.value.bytes.toString('base64') }),
      VersionId: version.id,
      // AWS leaves the member out for a version without labels.
      ...(version.stages.size > 0 ? { VersionStages: [...version.stages] } : {}),
    };
  }

  #filtered(call: SecretCall, filters: SecretFilter[], withDeleted: boolean): Secret[] {
    return this.#store
      .list(call.caller.account, call.region)
      .filter((secret) => (withDeleted || !secret.deletion) && passesFilters(secret, filters));
  }
}

/** What DescribeSecret and ListSecrets both show; dates are seconds since 1970. */
function description(secret: Secret): Result {
  return {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.description === null ? {} : { Description: secret.description }),
    ...(secret.kmsKeyId === null ? {} : { KmsKeyId: secret.kmsKeyId }),
    RotationEnabled: false,
    CreatedDate: secret.createdAt / 1000,
    LastChangedDate: secret.changedAt / 1000,
    ...(secret.accessedAt === null ? {} : { LastAccessedDate: secret.accessedAt / 1000 }),
    ...(secret.deletion ? { DeletedDate: secret.deletion.askedAt / 1000 } : {}),
    ...(secret.tags.size > 0 ? { Tags: [...secret.tags].map(([Key, Value]) => ({ Key, Value })) } : {}),
  };
}

function compare(a: Secret, b: Secret, key: (typeof SORT_KEYS)[number]): number {
  const byName = a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  switch (key) {
    case 'name':
      return byName;
    case 'created-date':
      return a.createdAt - b.createdAt || byName;
    case 'last-changed-date':
      return a.changedAt - b.changedAt || byName;
    case 'last-accessed-date':
      return (a.accessedAt ?? 0) - (b.accessedAt ?? 0) || byName;
  }
}

/** A token carries the last item of its page rather than a count, so that a page survives insertions before it. */
function pageOf(secrets: Secret[], token: string | null, size: number): { items: Secret[]; next: Result } {
  let start = 0;
  if (token !== null) {
    const last = Buffer.from(token, 'base64url').toString();
    start = secrets.findIndex((secret) => secret.arn === last) + 1;
    if (start === 0) throw new AwsError('InvalidNextTokenException', 'The NextToken is invalid.');
  }
  const items = secrets.slice(start, start + size);
  const more = start + size < secrets.length;
  return { items, next: more ? { NextToken: Buffer.from(items.at(-1)!.arn).toString('base64url') } : {} };
}
