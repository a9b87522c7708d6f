import type { ConfigValue, VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import {
  type SealedMember,
  type SealedVault,
  sealedMembers,
  sealMember,
} from '@vaultplane/model/vaults/sealed-vault.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { Queryable } from './database.ts';

/** In SQL, behind a config, or a whole vault: whether it has a credential that release 0.1.0 encrypted. */
const HAS_UNBOUND = `@? '$.* ? (exists (@.sealed) && !exists (@.binds))'`;
const HAS_UNBOUND_CONFIG = `@? '$.config.* ? (exists (@.sealed) && !exists (@.binds))'`;

/** Rows of the log that are bound by one statement. */
const BATCH = 500;

/**
 * The step of the migration `credentials-bound`: binds credentials that release 0.1.0 encrypted, in vaults and in the log of their changes, to the
 * destinations that they stand beside now. From then on only what is bound is ever opened.
 *
 * What does not open for its vault is left as it is, and is withheld like any other such.
 *
 * @throws StartError where the keyring has not the key of a vault's credential: it could never be bound later
 */
export async function bindCredentials(transaction: Queryable, keyring: Keyring | undefined): Promise<void> {
  const vaults = await transaction.query<SealedVault>(
    `select id, prefix, name, config from vaults where config ${HAS_UNBOUND}`,
  );
  for (const vault of vaults) {
    const missing = unboundMembers(vault).find(([, { sealed }]) => !keyring?.has(sealed.key));
    if (missing) throw keyMissing(vault, missing, keyring);
  }
  if (!keyring) return;
  const bound = vaults.map((vault) => ({ id: vault.id, config: boundVault(vault, keyring)!.config }));
  await transaction.query(
    `update vaults set config = row.config from jsonb_to_recordset($1::jsonb) as row (id uuid, config jsonb)
     where vaults.id = row.id`,
    [JSON.stringify(bound)],
  );
  await bindLog(transaction, keyring);
}

/** Of an old version whose key is gone nothing opened before either: it stays. */
async function bindLog(transaction: Queryable, keyring: Keyring): Promise<void> {
  let last: LogRow | undefined;
  for (;;) {
    const rows: LogRow[] = await transaction.query<LogRow>(
      `select version, vault_id, before, after from config_changes
       where (before ${HAS_UNBOUND_CONFIG} or after ${HAS_UNBOUND_CONFIG})
         and ($1::bigint is null or (version, vault_id) > ($1, $2::uuid))
       order by version, vault_id limit ${BATCH}`,
      [last?.version ?? null, last?.vault_id ?? null],
    );
    if (rows.length === 0) return;
    const bound = rows.map(({ before, after, ...row }) => ({
      ...row,
      before: boundVault(before, keyring),
      after: boundVault(after, keyring),
    }));
    await transaction.query(
      `update config_changes set before = row.before, after = row.after
       from jsonb_to_recordset($1::jsonb) as row (version bigint, vault_id uuid, before jsonb, after jsonb)
       where config_changes.version = row.version and config_changes.vault_id = row.vault_id`,
      [JSON.stringify(bound)],
    );
    last = rows.at(-1);
  }
}

interface LogRow {
  version: number;
  vault_id: string;
  before: SealedVault | null;
  after: SealedVault | null;
}

function boundVault(stored: SealedVault | null, keyring: Keyring): SealedVault | null {
  if (!stored) return null;
  const opened = unboundMembers(stored).flatMap(([name, { sealed }]): Array<[string, ConfigValue]> => {
    const text = keyring.open(sealed, `vault ${stored.id} config.${name}`);
    return text === undefined ? [] : [[name, JSON.parse(text) as ConfigValue]];
  });
  // The destination is what it was: none of its members is a credential.
  const vault = { ...stored, config: { ...stored.config, ...Object.fromEntries(opened) } } as VaultEntity;
  const sealed = opened.map(([name]) => [name, sealMember(keyring, vault, name)]);
  return { ...stored, config: { ...stored.config, ...Object.fromEntries(sealed) } };
}

function unboundMembers(stored: SealedVault): Array<[name: string, member: SealedMember]> {
  return sealedMembers(stored).filter(([, { sealed, binds }]) => {
    return binds === undefined && typeof sealed?.key === 'string' && typeof sealed.data === 'string';
  });
}

function keyMissing({ prefix }: SealedVault, [name, { sealed }]: [string, SealedMember], keyring: Keyring | undefined) {
  return new StartError(
    `config.${name} of the vault ${prefix} is encrypted under key ${sealed.key}, which keyring_key_file does not hold${keyring ? '' : ' (it is not set)'}; this release has to encrypt it again, so give it that key`,
  );
}
