import { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import type { Keyring, Sealed } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { type Actor, insertAuditRequest } from './audit-log.ts';
import type { Database, Queryable } from './database.ts';
import { jsonbOf } from './jsonb.ts';

/** Where the sealed text belongs: what is sealed for anything else does not open as an export key. */
const CONTEXT = 'export key';

/** The export key in the database can't be opened with the keyring that is here. */
export class SealedElsewhere extends StartError {}

/** The export key in the database, sealed by the keyring: all control planes of one database have the same. */
export class KeptExportKey {
  readonly #database: Database;
  readonly #keyring: Keyring;

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /** Whether there is one, which needs no keyring. */
  static async exists(database: Queryable): Promise<boolean> {
    return (await database.query('select 1 from export_key')).length > 0;
  }

  static async remove(database: Queryable): Promise<void> {
    await database.query('delete from export_key');
  }

  /**
   * The key; where there is none, `first` or a new one becomes it. Control planes that start at the same time agree on one.
   *
   * @throws SealedElsewhere
   */
  async ensure(first: ExportKey | undefined): Promise<ExportKey> {
    return (await this.#read()) ?? this.#keepFirst(first ?? ExportKey.generate());
  }

  /** Puts a new key in the place of whatever is there; control planes that run use theirs until they are restarted. */
  async replace(actor: Actor, now: number): Promise<ExportKey> {
    const key = ExportKey.generate();
    await this.#database.transaction(async (transaction) => {
      await transaction.query(
        `insert into export_key (sealed) values ($1::jsonb)
         on conflict (only_row) do update set sealed = excluded.sealed, made_at = excluded.made_at`,
        [jsonbOf(this.#seal(key))],
      );
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      const request = { method: 'COMMAND', path: 'export-key --replace' };
      await insertAuditRequest(transaction, now, actor, request, state!.version, state!.version);
    });
    return key;
  }

  async #read(): Promise<ExportKey | undefined> {
    const [row] = await this.#database.query<{ sealed: Sealed }>('select sealed from export_key');
    if (!row) return undefined;
    const { key: under, data } = (row.sealed ?? {}) as Partial<Record<keyof Sealed, unknown>>;
    const isSealed = typeof under === 'string' && typeof data === 'string';
    const pem = isSealed ? this.#keyring.open({ key: under, data }, CONTEXT) : undefined;
    if (pem === undefined) {
      throw new SealedElsewhere(
        `keyring_key_file does not open the export key in the database (it is under key ${printable(under)}); put that key back, or make another export key, which every data plane must then be told: vaultplane-cp export-key --replace`,
      );
    }
    const key = parse(pem);
    const resealed = this.#seal(key);
    // The keyring's first key is another now: the one before may be taken out of it one day.
    if (resealed.key !== under) {
      await this.#database.query('update export_key set sealed = $1::jsonb where sealed = $2::jsonb', [
        jsonbOf(resealed),
        jsonbOf(row.sealed),
      ]);
    }
    return key;
  }

  async #keepFirst(key: ExportKey): Promise<ExportKey> {
    await this.#database.query('insert into export_key (sealed) values ($1::jsonb) on conflict (only_row) do nothing', [
      jsonbOf(this.#seal(key)),
    ]);
    return (await this.#read()) ?? key;
  }

  #seal(key: ExportKey): Sealed {
    return this.#keyring.seal(key.pem, CONTEXT);
  }
}

/** What stands in the database may be anything. */
function printable(name: unknown): string {
  return /^[0-9a-f]{16}$/.test(String(name)) ? String(name) : 'unknown';
}

function parse(pem: string): ExportKey {
  try {
    return ExportKey.parse(pem);
  } catch (error) {
    throw new SealedElsewhere(`the export key in the database can't be used: ${errorMessage(error)}`);
  }
}
