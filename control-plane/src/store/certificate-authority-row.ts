import type { Sealed } from '@vaultplane/platform/crypto/keyring.ts';
import type { Database } from './database.ts';
import { jsonbOf } from './jsonb.ts';

/** The cluster's certificate authority as it is stored. */
export interface StoredAuthority {
  /** PEM. */
  certificate: string;
  sealed_key: Sealed;
}

/** The authority of this database; undefined where there is none yet. */
export async function storedAuthority(database: Database): Promise<StoredAuthority | undefined> {
  const [row] = await database.query<StoredAuthority>('select certificate, sealed_key from certificate_authority');
  return row;
}

/** Stores an authority, unless there is one. @returns the one that is stored: of several control planes the first one's */
export async function storeAuthority(database: Database, authority: StoredAuthority): Promise<StoredAuthority> {
  await database.query(
    'insert into certificate_authority (certificate, sealed_key) values ($1, $2::jsonb) on conflict (only_row) do nothing',
    [authority.certificate, jsonbOf(authority.sealed_key)],
  );
  return (await storedAuthority(database))!;
}

/** Stores the key sealed by another key of the keyring, unless somebody else has stored it otherwise meanwhile. */
export async function resealAuthority(database: Database, before: StoredAuthority, sealed: Sealed): Promise<void> {
  await database.query('update certificate_authority set sealed_key = $1::jsonb where sealed_key = $2::jsonb', [
    jsonbOf(sealed),
    jsonbOf(before.sealed_key),
  ]);
}
