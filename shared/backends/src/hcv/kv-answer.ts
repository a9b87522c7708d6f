import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { FetchedSecret } from '../backend.ts';
import { type Answer, garbage, isOfProtocol, reasonOf } from './errors.ts';

/** One question to a key/value engine, for errors. */
export interface KvQuestion {
  kv: 'v1' | 'v2';
  path: string;
  subject: string;
  target: string;
}

/** The secret in an answer of 200. @throws BackendError unavailable where it has none */
export function secretOf(answer: Answer, { kv, path, subject, target }: KvQuestion): FetchedSecret {
  const data = record(answer.body?.data);
  const secret = kv === 'v1' ? data : record(data?.data);
  // What no answer of these servers lacks, and what stands in for one may.
  const isAnswer = typeof answer.body?.request_id === 'string';
  if (!secret || !isAnswer) throw garbage(subject, target);
  const metadata = record(data?.metadata);
  const version = kv === 'v2' && typeof metadata?.version === 'number' ? String(metadata.version) : null;
  const created = kv === 'v2' ? Date.parse(String(metadata?.created_time)) : Number.NaN;
  return {
    value: SecretValue.ofText(textOf(answer.text, kv)),
    version: { id: version, stages: [] },
    createdAt: Number.isNaN(created) ? null : created,
    arn: null,
    name: path,
  };
}

/** What an answer of 404 means. */
export function absenceOf(answer: Answer, { kv, subject, target }: KvQuestion): BackendError {
  if (!isOfProtocol(answer)) return garbage(subject, target);
  const metadata = record(record(answer.body?.data)?.metadata);
  if (metadata?.destroyed === true) return new BackendError('not_found', `${subject}: this version was destroyed`);
  if (typeof metadata?.deletion_time === 'string' && metadata.deletion_time !== '') {
    return new BackendError('not_found', `${subject}: this version was deleted`);
  }
  const [warning] = Array.isArray(answer.body?.warnings) ? answer.body.warnings : [];
  if (kv === 'v1' && typeof warning === 'string' && warning.startsWith('Invalid path for a versioned K/V')) {
    return new BackendError(
      'not_found',
      `${subject}: not found; the engine has versions, so that the vault's kv should be v2`,
    );
  }
  const reason = reasonOf(answer);
  return new BackendError('not_found', `${subject}: not found${reason === '' ? '' : ` (${reason})`}`);
}

/** The secret's own JSON with every digit of its numbers: a server's answer is parsed by whoever picks from it. */
function textOf(text: string, kv: 'v1' | 'v2'): string {
  const keepDigits = (_name: string, value: unknown, { source }: { source: string }) =>
    typeof value === 'number' ? rawJSON(source) : value;
  const { data } = JSON.parse(text, keepDigits as unknown as (name: string, value: unknown) => unknown) as {
    data: { data?: unknown };
  };
  return JSON.stringify(kv === 'v1' ? data : data.data);
}

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
