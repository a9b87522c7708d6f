import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import { BrokenSeal } from '@vaultplane/platform/files/sealed-file.ts';
import type { Moment } from '@vaultplane/platform/time/moment.ts';
import type { EntryUse } from './entry.ts';

/** A secret as it stands in the file. */
export interface SavedSecret {
  key: string;
  users: readonly EntryUse[];
  /** How old it was when the file was written, milliseconds. */
  ageMs: number;
  wallFetchedAt: number;
  failed: boolean;
  value: SecretValue;
  version: { id: string | null; stages: readonly string[] };
  createdAt: number | null;
  arn: string | null;
  name: string;
}

/** What the file says of itself. */
export interface VaultFileHead {
  saved: Moment;
  /** As surroundingsOf: of another region, endpoint, role or project it is another vault's file. */
  surroundings: string;
  /** Of the first journal that holds what the file lacks; none in a journal's own records, nor before there were journals. */
  journal?: number;
}

/*
 * The content, before it is sealed: records, each twice a length (4 bytes, big end first) and so many bytes: what is
 * said of the secret, in JSON, and its value alone, which so never is part of a longer text. The first record is the
 * head, with an empty value.
 */

export function encodeHead(head: VaultFileHead): Buffer {
  return record(head, '');
}

export function encodeSecret({ value, ...facts }: SavedSecret): Buffer {
  return record({ ...facts, binary: value.encoding === 'base64' }, value.reveal());
}

/** @throws BrokenSeal where it is no such content, which only another release can have written */
export function decodeContent(content: Buffer): { head: VaultFileHead; secrets: SavedSecret[] } {
  try {
    const records = recordsOf(content);
    const head = records.next().value!.facts as VaultFileHead;
    if (typeof head.saved.wall !== 'number' || typeof head.saved.uptime !== 'number') throw new Error('no moment');
    return { head, secrets: Array.from(records, ({ facts, value }) => decodeSecret(facts, value)) };
  } catch {
    throw new BrokenSeal('its content has not the form that its first line names');
  }
}

function decodeSecret(facts: unknown, value: Buffer): SavedSecret {
  const { binary, ...rest } = facts as Omit<SavedSecret, 'value'> & { binary: boolean };
  const { key, users, ageMs, wallFetchedAt, version } = rest;
  const whole = typeof key === 'string' && Array.isArray(users) && Array.isArray(version.stages);
  if (!whole || !Number.isFinite(ageMs) || !Number.isFinite(wallFetchedAt)) throw new Error('not whole');
  const text = value.toString('utf8');
  return { ...rest, value: binary ? SecretValue.ofBinary(Buffer.from(text, 'base64')) : SecretValue.ofText(text) };
}

function record(facts: object, value: string): Buffer {
  const json = JSON.stringify(facts);
  const jsonBytes = Buffer.byteLength(json);
  const valueBytes = Buffer.byteLength(value);
  // Not from the pool that others' buffers share.
  const bytes = Buffer.alloc(8 + jsonBytes + valueBytes);
  bytes.writeUInt32BE(jsonBytes, 0);
  bytes.write(json, 4);
  bytes.writeUInt32BE(valueBytes, 4 + jsonBytes);
  bytes.write(value, 8 + jsonBytes);
  return bytes;
}

function* recordsOf(content: Buffer): Generator<{ facts: unknown; value: Buffer }, undefined> {
  let at = 0;
  const next = (): Buffer => {
    const length = content.readUInt32BE(at);
    const end = at + 4 + length;
    if (end > content.byteLength) throw new RangeError('a record ends too early');
    const part = content.subarray(at + 4, end);
    at = end;
    return part;
  };
  while (at < content.byteLength) yield { facts: JSON.parse(next().toString('utf8')), value: next() };
}
